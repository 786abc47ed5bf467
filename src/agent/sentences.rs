//! Text that comes in pieces, cut into what can be spoken by itself. Pure.

/// A sentence that does not end is cut at a blank after so many letters.
const LONG: usize = 80;
/// What is shorter is no sentence yet: `Mr.`, `1.`.
const SHORT: usize = 6;

/// What has come and is not cut off yet.
#[derive(Default)]
pub(super) struct Sentences {
    waiting: String,
}

impl Sentences {
    /// Takes in a piece; gives back the sentences that are complete.
    pub(super) fn push(&mut self, text: &str) -> Vec<String> {
        self.waiting.push_str(text);
        let mut complete = Vec::new();
        while let Some(end) = end_of_sentence(&self.waiting) {
            let rest = self.waiting.split_off(end);
            complete.extend(spoken(&std::mem::replace(&mut self.waiting, rest)));
        }
        complete
    }

    /// What is left at the end.
    pub(super) fn rest(&mut self) -> Option<String> {
        spoken(&std::mem::take(&mut self.waiting))
    }
}

/// Where the first sentence ends: behind its stop and the blank that proves it, or the ideographic stop.
fn end_of_sentence(text: &str) -> Option<usize> {
    let mut letters = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        letters += 1;
        let behind = at + c.len_utf8();
        let next = chars.peek().map(|(_, next)| *next);
        match c {
            '。' | '！' | '？' | '\n' => return Some(behind),
            '.' | '?' | '!' | ';' | ':' if letters >= SHORT && next.is_some_and(char::is_whitespace) => {
                return Some(behind);
            }
            c if c.is_whitespace() && letters > LONG => return Some(behind),
            _ => {}
        }
    }
    None
}

/// What a voice can say of it: without the marks that models write for readers. None if that is nothing.
fn spoken(text: &str) -> Option<String> {
    let plain = text.replace(['*', '`', '#', '_'], "");
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    plain.contains(char::is_alphanumeric).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, size: usize) -> Vec<String> {
        let mut sentences = Sentences::default();
        let chars: Vec<char> = text.chars().collect();
        let mut complete: Vec<String> =
            chars.chunks(size).flat_map(|piece| sentences.push(&piece.iter().collect::<String>())).collect();
        complete.extend(sentences.rest());
        complete
    }

    #[test]
    fn sentences_are_cut_where_they_end_however_they_come() {
        let text = "Hi. I am Anna, from Mr. Smith! Is 3.5 all right? Good; 你好。再见。 **Bye** then";
        let expected = [
            "Hi. I am Anna, from Mr.",
            "Smith!",
            "Is 3.5 all right?",
            "Good;",
            "你好。",
            "再见。",
            "Bye then",
        ];
        for size in [1, 5, 200] {
            assert_eq!(cut(text, size), expected, "{size}");
        }
    }

    #[test]
    fn what_does_not_end_is_cut_at_a_blank_and_what_cannot_be_spoken_left_out() {
        let long = "word ".repeat(40);
        assert!(cut(&long, 3).iter().all(|part| part.len() <= LONG + 5));
        assert_eq!(cut(&long, 3).join(" "), long.trim());
        assert_eq!(cut("-- \n *** \n... \n", 1), Vec::<String>::new());
    }
}
