//! A program as the voice. It gets the text on its standard input, never on its command line and never through a shell;
//! it has a limited time and may write a limited amount, and is killed with all that it started.

use super::{BYTES_MAX, Saying, Settings, SpeechError, Synthesizer, decoded};
use crate::clock::Clock;
use crate::domain::campaign::VoiceGender;
use crate::domain::voice::Voice;
use chrono::TimeDelta;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use tempfile::TempPath;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

/// How many run at a time; the others wait.
const AT_ONCE: usize = 4;
/// How much of what it says about a failure is told on.
const COMPLAINT_MAX: usize = 200;
/// Stands for a file that the program writes, if it cannot write to its standard output.
const OUTPUT: &str = "{output}";

/// A program.
pub struct Program {
    words: Vec<String>,
    usual: Option<String>,
    /// The voices that it has, of a program that takes another one where it has not the one that is wanted.
    voices: Option<Arc<[String]>>,
    limit: TimeDelta,
    clock: Arc<dyn Clock>,
    places: Arc<Semaphore>,
}

impl Program {
    /// The program and the arguments of the settings.
    pub fn new(
        words: &[String],
        settings: &Settings,
        limit: TimeDelta,
        clock: Arc<dyn Clock>,
    ) -> Result<Program, String> {
        let name = words.first().map(String::as_str).unwrap_or_default();
        if !is_installed(name) {
            return Err(format!("voice.command: there is no program `{name}` on this machine"));
        }
        let (words, usual) = (words.to_vec(), settings.name.clone());
        let voices = voices_of(name);
        Ok(Program { words, usual, voices, limit, clock, places: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// The first of the programs known that this machine has.
    pub fn installed(settings: &Settings, limit: TimeDelta, clock: Arc<dyn Clock>) -> Option<Program> {
        // flite does not write to a pipe; piper cannot speak without the file of a voice.
        let known = [
            Some("flite -voice {flite_voice} -f /dev/stdin -o {output}"),
            Some("espeak-ng --stdin --stdout -v {language}"),
            settings.name.as_ref().map(|_| "piper --model {voice} --output_file -"),
        ];
        known.into_iter().flatten().find_map(|line| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Program::new(&words, settings, limit, clock.clone()).ok()
        })
    }

    /// The program and its arguments, with their placeholders.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// What the program is called, without the way to it.
    pub fn name(&self) -> &str {
        let path = self.words.first().map(String::as_str).unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }

    /// The arguments for a voice.
    fn arguments(&self, voice: &Voice, output: Option<&str>) -> Result<Vec<String>, SpeechError> {
        let name = voice.id.as_deref().or(self.usual.as_deref()).unwrap_or_default();
        if name.starts_with('-') || name.chars().any(char::is_control) {
            return Err(SpeechError(format!("`{name}` cannot be the name of a voice")));
        }
        // A file or an address is found by the program itself.
        if let Some(voices) =
            self.voices.as_deref().filter(|_| !name.is_empty() && !name.contains(['/', '.']))
            && !voices.iter().any(|known| known == name)
        {
            return Err(SpeechError(format!("there is no voice `{name}`, only {}", voices.join(", "))));
        }
        let gender = voice.gender.map_or("", |gender| match gender {
            VoiceGender::Male => "male",
            VoiceGender::Female => "female",
            VoiceGender::Neutral => "neutral",
        });
        let flite_voice = match (name, gender) {
            ("", "male") => "rms",
            ("", _) => "slt",
            (name, _) => name,
        };
        let fill = |word: &String| {
            word.replace("{voice}", name)
                .replace("{flite_voice}", flite_voice)
                .replace("{language}", &voice.language.to_lowercase())
                .replace("{gender}", gender)
                .replace(OUTPUT, output.unwrap_or_default())
        };
        Ok(self.words[1..].iter().map(fill).collect())
    }

    async fn run(self, text: String, voice: Voice) -> Result<Vec<u8>, SpeechError> {
        let failed = |error: io::Error| SpeechError(format!("`{}`: {error}", self.words[0]));
        let _place = self.places.acquire().await.map_err(|_| SpeechError("it was closed".into()))?;
        let output = match self.words.iter().any(|word| word.contains(OUTPUT)) {
            true => {
                Some(tempfile::Builder::new().suffix(".wav").tempfile().map_err(failed)?.into_temp_path())
            }
            false => None,
        };
        let arguments = self.arguments(&voice, output.as_deref().and_then(std::path::Path::to_str))?;
        let mut command = Command::new(&self.words[0]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = Running(command.process_group(0).spawn().map_err(failed)?);
        let end = self.clock.steady() + self.limit;
        tokio::select! {
            spoken = spoken(running, text, output, &self.words[0]) => spoken,
            () = self.clock.sleep_until(end) => {
                let seconds = self.limit.num_seconds();
                Err(SpeechError(format!("`{}` took longer than {seconds} seconds", self.words[0])))
            }
        }
    }
}

impl Synthesizer for Program {
    fn say(&self, text: &str, voice: &Voice) -> Saying {
        let program = Program {
            words: self.words.clone(),
            usual: self.usual.clone(),
            voices: self.voices.clone(),
            limit: self.limit,
            clock: self.clock.clone(),
            places: self.places.clone(),
        };
        let (text, voice) = (text.to_owned(), voice.clone());
        Box::pin(async move { decoded(program.run(text, voice).await?).await })
    }
}

/// The voices of flite, which takes its usual one instead of one that it does not have and says nothing.
fn voices_of(program: &str) -> Option<Arc<[String]>> {
    if program.rsplit('/').next() != Some("flite") {
        return None;
    }
    let listed = std::process::Command::new(program).arg("-lv").stdin(Stdio::null()).output().ok()?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let voices: Arc<[String]> = listed.split_once(':')?.1.split_whitespace().map(str::to_owned).collect();
    (!voices.is_empty()).then_some(voices)
}

/// A program that runs; dropped, it is killed with all that it started.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Without an id it has ended and was waited for, so the number may be somebody else's.
        let id = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(id) = id
            && let Err(error) = kill_process_group(id, Signal::KILL)
        {
            tracing::warn!(%error, "a speech program could not be killed");
        }
    }
}

/// Hands the text to the program and takes what it makes of it.
async fn spoken(
    mut running: Running,
    text: String,
    output: Option<TempPath>,
    name: &str,
) -> Result<Vec<u8>, SpeechError> {
    let failed = |error: io::Error| SpeechError(format!("`{name}`: {error}"));
    let (stdin, stdout, stderr) = (running.0.stdin.take(), running.0.stdout.take(), running.0.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that does not want to read all of it says so by its end.
            let _ = stdin.write_all(text.as_bytes()).await;
            let _ = stdin.write_all(b"\n").await;
        }
    };
    let read = async {
        let mut written = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(BYTES_MAX as u64 + 1).read_to_end(&mut written).await?;
        }
        Ok(written)
    };
    let complain = async {
        let mut complaint = Vec::new();
        if let Some(mut stderr) = stderr {
            (&mut stderr).take(COMPLAINT_MAX as u64).read_to_end(&mut complaint).await?;
            tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
        }
        Ok(String::from_utf8_lossy(&complaint).trim().to_owned())
    };
    let ((), written, complaint) = tokio::join!(write, read, complain);
    let (mut written, complaint) = (written.map_err(failed)?, complaint.map_err(failed)?);
    if written.len() > BYTES_MAX {
        return Err(SpeechError(format!("`{name}` writes more than {BYTES_MAX} bytes")));
    }
    let status = running.0.wait().await.map_err(failed)?;
    if !status.success() {
        let complaint = if complaint.is_empty() { complaint } else { format!(": {complaint}") };
        return Err(SpeechError(format!("`{name}` failed ({status}){complaint}")));
    }
    if let Some(output) = output {
        let file = tokio::fs::File::open(&output).await.map_err(failed)?;
        file.take(BYTES_MAX as u64).read_to_end(&mut written).await.map_err(failed)?;
    }
    Ok(written)
}

/// Whether there is a program of this name, as a path or on the search path.
fn is_installed(name: &str) -> bool {
    let search = std::env::var_os("PATH").unwrap_or_default();
    match name {
        "" => false,
        path if path.contains('/') => std::path::Path::new(path).is_file(),
        name => std::env::split_paths(&search).any(|folder| folder.join(name).is_file()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::System;
    use crate::media::wav;

    /// Long enough for anything that ends, on any machine.
    const LONG: TimeDelta = TimeDelta::seconds(30);
    /// For what never ends.
    const SHORT: TimeDelta = TimeDelta::milliseconds(300);

    fn program(words: &[&str], limit: TimeDelta) -> Program {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let clock = Arc::new(System::new());
        Program::new(&words, &Settings::default(), limit, clock).unwrap()
    }

    async fn failure(words: &[&str], limit: TimeDelta) -> String {
        program(words, limit).say("hello", &Voice::default()).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn the_text_comes_on_standard_input_and_the_sound_from_standard_output_or_a_file() {
        let file =
            wav::write(8_000, &[1, 2, 3]).iter().map(|byte| format!("\\{byte:03o}")).collect::<String>();
        let check = format!("read -r text; [ \"$text\" = 'He said: \"$(reboot)\"; `x`' ] && printf '{file}'");
        let text = "He said: \"$(reboot)\"; `x`";
        let sound = program(&["sh", "-c", &check], LONG).say(text, &Voice::default()).await.unwrap();
        assert_eq!(*sound, [1, 2, 3]);
        let to_file = format!("cat > /dev/null; printf '{file}' > \"$0\"");
        let sound =
            program(&["sh", "-c", &to_file, "{output}"], LONG).say(text, &Voice::default()).await.unwrap();
        assert_eq!(*sound, [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_program_that_fails_hangs_or_says_nothing_is_told_apart() {
        let failed = failure(&["sh", "-c", "echo no such voice >&2; exit 3"], LONG).await;
        assert_eq!(failed, "the voice failed: `sh` failed (exit status: 3): no such voice");
        assert_eq!(
            failure(&["sleep", "60"], SHORT).await,
            "the voice failed: `sleep` took longer than 0 seconds"
        );
        assert!(failure(&["true"], LONG).await.contains("no WAV file"));
        assert!(failure(&["sh", "-c", "exec yes"], LONG).await.contains("`sh` writes more than"));
    }

    #[tokio::test]
    async fn what_it_started_is_killed_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let alive = folder.path().join("alive");
        let script = format!("(while :; do date > {}; sleep 0.05; done) & wait", alive.display());
        assert!(failure(&["sh", "-c", &script], SHORT).await.contains("took longer"));
        std::fs::remove_file(&alive).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(!alive.exists(), "it still runs");
    }

    #[test]
    fn the_voice_fills_the_placeholders_and_is_no_option() {
        let program = program(&["sh", "-v", "{voice}", "{language}-{gender}"], LONG);
        let arguments = |id: Option<&str>| {
            let (language, gender) = ("en-GB".to_owned(), Some(VoiceGender::Female));
            program.arguments(&Voice { id: id.map(str::to_owned), language, gender }, None)
        };
        assert_eq!(arguments(Some("a b;c")).unwrap(), ["-v", "a b;c", "en-gb-female"]);
        assert_eq!(arguments(None).unwrap(), ["-v", "", "en-gb-female"]);
        assert!(arguments(Some("--help")).is_err());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let words = ["no-such-voice".to_owned()];
        let made = Program::new(&words, &Settings::default(), TimeDelta::zero(), Arc::new(System::new()));
        assert!(made.err().unwrap().contains("`no-such-voice`"));
    }
}
