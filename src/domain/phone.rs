//! Phone numbers: reads what people and spreadsheets write, keeps E.164, hides digits in logs.
//!
//! Knows how a number looks and whether a numbering plan contains it. Must not know whether we *may* dial it:
//! do-not-call lists, allowed countries, premium prefixes and time zones are decided elsewhere.

use std::borrow::Cow;
use std::fmt;

use rlibphonenumber::{
    NumberLengthType, PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberType, Region, ValidationError,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The shortest and the longest number we keep, in digits with the country code.
const DIGITS_MIN: u32 = 8;
const DIGITS_MAX: u32 = 15;

/// A text may hold a few digits more than the number: an international prefix, or the `(0)` of `+44 (0)20 …`.
const TYPED_DIGITS_MAX: usize = 24;

/// The code and the number of ids of [`Phone::erased`].
const ERASED: u64 = 999;
const ERASED_IDS: u64 = 1_000_000_000_000;

/// An E.164 number, held as its digits: `+12025550101` is `12_025_550_101`.
///
/// `Display` writes the whole number, `Debug` hides the middle, so a number never reaches a log by accident.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(u64);

impl Phone {
    /// Reads the form we store: `+`, then 8 to 15 digits, the first not 0. Asks no numbering plan.
    pub fn from_e164(text: &str) -> Option<Phone> {
        let digits = text.strip_prefix('+')?;
        // `u64::from_str` would take a second `+`.
        if digits.len() > DIGITS_MAX as usize || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Phone::from_digits(digits.parse().ok()?).filter(|_| !digits.starts_with('0'))
    }

    /// The number without its `+`.
    pub fn digits(self) -> u64 {
        self.0
    }

    /// The opposite of [`Phone::digits`]; `None` unless there are 8 to 15 of them.
    pub fn from_digits(digits: u64) -> Option<Phone> {
        let smallest = 10_u64.pow(DIGITS_MIN - 1);
        let past_largest = 10_u64.pow(DIGITS_MAX);
        (smallest..past_largest).contains(&digits).then_some(Phone(digits))
    }

    /// What stands in the place of a number whose person was erased: `+999`, a code that no country has, and the id of
    /// the lead.
    pub fn erased(lead_id: i64) -> Phone {
        Phone(ERASED * ERASED_IDS + lead_id.unsigned_abs() % ERASED_IDS)
    }

    /// Whether this stands in the place of an erased number.
    pub fn is_erased(self) -> bool {
        self.0 / ERASED_IDS == ERASED
    }

    /// `+1202***0101`: at most four leading digits and the last four, at least three hidden.
    pub fn masked(self) -> String {
        let length = self.0.ilog10() + 1;
        let shown = (length - 7).min(4);
        format!("+{}***{:04}", self.0 / 10_u64.pow(length - shown), self.0 % 10_000)
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// A text with every number in it masked, for logs: `+` with digits and the usual signs between them, and 8 or more bare
/// digits. Only within an id in hexadecimal digits stay.
pub fn masked_in(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let (mut kept, mut rest) = (0, 0);
    while let Some(at) = text[rest..].find(|char: char| char == '+' || char.is_ascii_digit()) {
        let start = rest + at;
        let (length, is_number) = number_at(&text[start..]);
        rest = start + length;
        let has_plus = text[start..].starts_with('+');
        if is_number && (has_plus || !is_in_id(text, start, rest)) {
            masked.push_str(&text[kept..start]);
            masked.push_str(&mask(&text[start..rest]));
            kept = rest;
        }
    }
    match kept {
        0 => Cow::Borrowed(text),
        _ => Cow::Owned(masked + &text[kept..]),
    }
}

/// Whether the digits at a place are part of an id: a word of 16 or more hexadecimal digits, not all of them decimal.
fn is_in_id(text: &str, start: usize, end: usize) -> bool {
    const LENGTH_MIN: usize = 16;
    let is_other = |char: char| !char.is_ascii_alphanumeric();
    let begins = text[..start].rfind(is_other).map_or(0, |at| at + 1);
    let begins = (begins..=start).find(|at| text.is_char_boundary(*at)).unwrap_or(start);
    let ends = text[end..].find(is_other).map_or(text.len(), |at| end + at);
    let word = &text[begins..ends];
    let is_hexadecimal = word.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase());
    word.len() >= LENGTH_MIN && is_hexadecimal && !word.bytes().all(|byte| byte.is_ascii_digit())
}

/// [`Phone::masked`] of what a person wrote, or of more digits than a number has.
fn mask(written: &str) -> String {
    let plus = if written.starts_with('+') { "+" } else { "" };
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    let shown = (digits.len() - 7).min(4);
    format!("{plus}{}***{}", &digits[..shown], &digits[digits.len() - 4..])
}

/// How long the digits are that a text begins with, and whether there are as many as a number has. Signs stand only
/// between the groups of a number that begins with `+`; one that was written without any ends with its digits.
fn number_at(text: &str) -> (usize, bool) {
    const WRITTEN_IN_ONE: u32 = 10;
    let has_plus = text.starts_with('+');
    let (mut length, mut count, mut is_in_one) = (1, 0, true);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'+' if at == 0 => {}
            b'0'..=b'9' if !is_in_one && count == DIGITS_MAX => break,
            b'0'..=b'9' => {
                count += 1;
                length = at + 1;
            }
            _ if is_in_one && count >= WRITTEN_IN_ONE => break,
            b' ' | b'-' | b'.' | b'(' | b')' | b'/' if has_plus => is_in_one = false,
            _ => break,
        }
    }
    (length, count >= DIGITS_MIN)
}

/// Why a text is no number we can dial. `Display` is a sentence that says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneProblem {
    /// Nothing but blanks.
    Empty,
    /// More digits than the country's numbers have.
    TooLong,
    /// Fewer digits than the country's numbers have; emergency and short numbers too.
    TooShort,
    /// A national form, and no default country to read it in.
    NoCountry,
    /// No country has this calling code.
    UnknownCountry(u16),
    /// Something else than digits and the usual punctuation.
    NotANumber,
    /// Looks like a number, but the country's plan has none like it, or it has an extension.
    NotDialable,
    /// A spreadsheet has rounded it, such as `4.93E+11`: who it was nobody can tell.
    Rounded,
    /// Two numbers, or one and the last digits of another, with a `/` between them.
    TwoNumbers,
    /// Without `+` it is a national number as it stands, and another one if it begins with the country's code: the two.
    TwoReadings(Phone, Phone),
}

impl fmt::Display for PhoneProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PhoneProblem::Empty => f.write_str("the phone number is empty: give one such as +12025550101"),
            PhoneProblem::TooLong => {
                f.write_str("the phone number has too many digits: give exactly one number")
            }
            PhoneProblem::TooShort => f.write_str(
                "the phone number has too few digits: give all of it, with country and area code \
                 (emergency and short numbers are never dialed)",
            ),
            PhoneProblem::NoCountry => f.write_str(
                "the phone number has no country: start it with + and the country code, \
                 or set a default country",
            ),
            PhoneProblem::UnknownCountry(code) => {
                write!(f, "no country has the calling code +{code}: correct what follows the +")
            }
            PhoneProblem::NotANumber => f.write_str(
                "this is no phone number: give digits, such as +12025550101, without letters or other signs",
            ),
            PhoneProblem::NotDialable => f.write_str(
                "no such phone number exists, or it has an extension: check the digits \
                 and leave an extension (x123) out",
            ),
            PhoneProblem::Rounded => f.write_str(
                "a spreadsheet has rounded this number, its last digits are lost: format the column as text \
                 before saving the file",
            ),
            PhoneProblem::TwoNumbers => f.write_str(
                "there are two numbers here with a / between them, or one with an extension: give exactly one \
                 number",
            ),
            PhoneProblem::TwoReadings(national, with_code) => write!(
                f,
                "the number can be {national} or {with_code}: write it with + and the country code, or with its \
                 leading 0"
            ),
        }
    }
}

impl std::error::Error for PhoneProblem {}

/// The country whose national numbers a text may hold: ISO 3166-1 alpha-2, one that has a numbering plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Country(Region);

impl Country {
    /// Reads `US` or `us`; `None` for a code without a numbering plan.
    pub fn parse(text: &str) -> Option<Country> {
        let text = text.trim();
        if text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return None;
        }
        let region = text.to_ascii_uppercase().parse().ok()?;
        // The enum has all 676 letter pairs, the metadata only those that exist.
        PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| Country(region))
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_region_str().as_str())
    }
}

impl Serialize for Country {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Country, D::Error> {
        let text = String::deserialize(deserializer)?;
        Country::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is no country of two letters, such as US or DE"))
        })
    }
}

/// How a number without `+` is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unprefixed {
    /// Not at all, unless it begins with `00`.
    #[default]
    Refused,
    /// As one of this country.
    National(Country),
    /// As one that begins with its country code: spreadsheets take `+4930901820` for a sum and leave `4930901820`.
    International,
}

impl Unprefixed {
    const INTERNATIONAL: &str = "international";

    /// Reads a country such as `DE`, or `international`.
    pub fn parse(text: &str) -> Option<Unprefixed> {
        match text.trim().eq_ignore_ascii_case(Unprefixed::INTERNATIONAL) {
            true => Some(Unprefixed::International),
            false => Country::parse(text).map(Unprefixed::National),
        }
    }

    /// What [`Self::parse`] reads; none where numbers without `+` are refused.
    pub fn word(self) -> Option<String> {
        match self {
            Unprefixed::Refused => None,
            Unprefixed::National(country) => Some(country.to_string()),
            Unprefixed::International => Some(Unprefixed::INTERNATIONAL.to_owned()),
        }
    }
}

impl From<Option<Country>> for Unprefixed {
    fn from(country: Option<Country>) -> Unprefixed {
        country.map_or(Unprefixed::Refused, Unprefixed::National)
    }
}

/// What a numbering plan says about a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// Where it belongs; none for the numbers of no country, such as those of satellites.
    pub country: Option<Country>,
    /// What kind of line it is.
    pub kind: Kind,
}

/// What kind of line a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person's or an office's phone, wherever it is.
    Ordinary,
    /// Whoever is called pays.
    TollFree,
    /// Whoever calls pays more than the call.
    Premium,
    /// Both pay.
    SharedCost,
    /// A phone, or a network, above or beside all countries.
    Satellite,
    /// A pager, a voice mailbox, or the one number of a whole company.
    Service,
    /// No plan has such a number, or the plan does not say.
    Unknown,
}

/// Looks a number up in the numbering plans.
pub fn numbering(phone: Phone) -> Numbering {
    let Ok(number) = PHONE_NUMBER_UTIL.parse(phone.to_string(), None) else {
        return Numbering { country: None, kind: Kind::Unknown };
    };
    let region = number.get_region_code();
    let country = region.map(Country).filter(|country| Country::parse(&country.to_string()).is_some());
    let kind = match number.get_type() {
        // Inmarsat, global satellites, and the networks of no country.
        _ if matches!(number.country_code, 870 | 878 | 881 | 882 | 883 | 888) => Kind::Satellite,
        PhoneNumberType::FixedLine
        | PhoneNumberType::Mobile
        | PhoneNumberType::FixedLineOrMobile
        | PhoneNumberType::VoIP
        | PhoneNumberType::PersonalNumber => Kind::Ordinary,
        PhoneNumberType::TollFree => Kind::TollFree,
        PhoneNumberType::PremiumRate => Kind::Premium,
        PhoneNumberType::SharedCost => Kind::SharedCost,
        PhoneNumberType::Pager | PhoneNumberType::UAN | PhoneNumberType::VoiceMail => Kind::Service,
        PhoneNumberType::Unknown => Kind::Unknown,
    };
    Numbering { country, kind }
}

/// The digits of a text, whatever stands between them and in whatever script.
pub fn digits_in(text: &str) -> String {
    let digit = |char| match Sign::of(char) {
        Sign::Digit(digit) => Some(char::from(b'0' + digit)),
        Sign::Plus | Sign::Filler | Sign::Slash | Sign::Extension | Sign::Other => None,
    };
    text.chars().filter_map(digit).collect()
}

/// The parts of a text that can each be a number: digits and the signs within one, up to the next `+` or to what stands in
/// no number. A `/` may stand within one.
pub fn parts(text: &str) -> Vec<&str> {
    parts_between(text, |sign| matches!(sign, Sign::Extension | Sign::Other))
}

/// The same of a text in which a `/` stands between two.
pub fn parts_between_slashes(text: &str) -> Vec<&str> {
    parts_between(text, |sign| matches!(sign, Sign::Extension | Sign::Other | Sign::Slash))
}

fn parts_between(text: &str, is_between: impl Fn(&Sign) -> bool) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for (at, char) in text.char_indices() {
        let sign = Sign::of(char);
        if is_between(&sign) || matches!(sign, Sign::Plus) {
            parts.push(&text[start..at]);
            start = if is_between(&sign) { at + char.len_utf8() } else { at };
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| part.contains(is_digit));
    parts
}

/// The digits of a number as its own country writes them, without the country code: whatever a text spells before
/// them, these are in it.
pub fn national_digits(phone: Phone) -> String {
    match PHONE_NUMBER_UTIL.parse(phone.to_string(), None) {
        Ok(number) => number.get_national_significant_number(),
        Err(_) => phone.digits().to_string(),
    }
}

/// Reads a number as people write it: `+1 (202) 555-0101`, `tel:+1-202-555-0101`, `'+12025550101`,
/// full-width or Arabic digits, what a spreadsheet makes of one (`12025550101.0`), and without its `+` as
/// [`Unprefixed`] says.
///
/// What comes out is digits only, so nothing else that was in the text survives. Where it could be the number of
/// somebody else, too, nothing comes out but a [`PhoneProblem`]:
///
/// - Digits that a spreadsheet has rounded away are not made up.
/// - Without `+`, digits that begin with the calling code of the default country may be a national number whose
///   leading 0 is gone, or a whole one whose `+` is: in Germany `49441123456` is 04944 1123456, and 0441 123456. If
///   the plan has both, that is [`PhoneProblem::TwoReadings`]. Who is to be called is asked for; on the do-not-call
///   list, where a person too many does no harm, both are put where nobody can be asked.
/// - Behind a `/` that follows a whole number stands another one, or its last digits. Behind an area code it is a sign
///   like any other.
pub fn parse(text: &str, unprefixed: impl Into<Unprefixed>) -> Result<Phone, PhoneProblem> {
    let mut typed = Typed::of(text)?;
    let default_country = match unprefixed.into() {
        Unprefixed::Refused => None,
        Unprefixed::National(country) => Some(country),
        Unprefixed::International => {
            typed = typed.with_plus();
            None
        }
    };
    let phone = read(typed, default_country)?;
    if typed.before_slashes().any(|before| read(before, default_country).is_ok()) {
        return Err(PhoneProblem::TwoNumbers);
    }
    match default_country.and_then(|country| typed.with_calling_code(country)) {
        Some(plus) if plus.as_str()[1..] != phone.0.to_string() => match checked(&plus, None) {
            Ok(other) if other != phone => Err(PhoneProblem::TwoReadings(phone, other)),
            Ok(_) | Err(_) => Ok(phone),
        },
        Some(_) | None => Ok(phone),
    }
}

fn read(mut typed: Typed, default_country: Option<Country>) -> Result<Phone, PhoneProblem> {
    let region = match (typed.international(), default_country) {
        (true, _) => None,
        (false, Some(Country(region))) => Some(region),
        (false, None) => {
            typed.read_00_as_plus()?;
            None
        }
    };
    let problem = match checked(&typed, region) {
        Err(problem) if region.is_some() => problem,
        read => return read,
    };
    // Most of the world dials `00` before a country code, also where the default country dials something else.
    match typed.read_00_as_plus() {
        Ok(()) => checked(&typed, None).map_err(|_| problem),
        Err(_) => Err(problem),
    }
}

/// The number that [`parse`] finds if it finds one, where that can be told at a glance.
pub fn at_a_glance(text: &str) -> Option<Phone> {
    let national = Typed::of(text).ok()?.north_american()?;
    Phone::from_digits(10_000_000_000 + national)
}

fn checked(typed: &Typed, region: Option<Region>) -> Result<Phone, PhoneProblem> {
    let number = match typed.north_american() {
        Some(national_number) => PhoneNumber { country_code: 1, national_number, ..PhoneNumber::default() },
        None => {
            PHONE_NUMBER_UTIL.parse(typed.as_str(), region).map_err(|error| problem_of_parse(error, typed))?
        }
    };
    if !number.is_valid() {
        return Err(problem_of_validity(&number));
    }
    e164(&number)
}

/// `01xx` of `+1 NXX 555 01xx`, numbers kept for fiction: nobody has them, so rehearsals may dial them.
pub fn fictional_story(phone: Phone) -> Option<u16> {
    let national = phone.0.checked_sub(10_000_000_000).filter(|national| *national < 10_000_000_000)?;
    let area = national / 10_000_000;
    let exchange = national / 10_000 % 1000;
    let line = u16::try_from(national % 10_000).ok()?;
    (area >= 200 && exchange == 555 && (100..=199).contains(&line)).then_some(line)
}

/// Takes off what programs put around a number: blanks, `tel:`, and the `'` or `="…"` with which a
/// spreadsheet is kept from calculating. Anything else stays and is refused later.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let text = text.strip_prefix('\'').unwrap_or(text).trim_start();
    let text = match text.strip_prefix('=') {
        Some(formula) if formula.starts_with('+') => formula,
        Some(formula) => formula.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text),
        None => text,
    };
    match text.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => text[4..].trim(),
        _ => text.trim(),
    }
}

/// Digits that a program took for a fraction: `12025550101.0`, `12 025 550 101.00` and `1.2025550101E+10` have all of
/// them, while `1.20256E+10` has lost some, and so has what reads `12025600000.0` by now.
fn from_float(text: &str) -> Result<Cow<'_, str>, PhoneProblem> {
    /// A program that rounds keeps six digits at most.
    const LOST: &str = "00000";
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = &text[..text.len() - unsigned.len()];
    let all = |whole: &str, fraction: &str| match whole.ends_with(LOST) || fraction.ends_with(LOST) {
        true => Err(PhoneProblem::Rounded),
        false => Ok(format!("{sign}{whole}{fraction}").into()),
    };
    if let Some((whole, "0" | "00")) = unsigned.rsplit_once('.')
        && (is_digits(whole) || is_in_thousands(whole))
    {
        return all(whole, "");
    }
    let Some((mantissa, exponent)) = unsigned.split_once(['e', 'E']) else { return Ok(text.into()) };
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    let is_number = is_digits(whole) && (fraction.is_empty() || is_digits(fraction)) && is_digits(exponent);
    match (is_number, exponent.parse::<usize>()) {
        (true, Ok(places)) if fraction.len() == places => all(whole, fraction),
        (true, _) => Err(PhoneProblem::Rounded),
        (false, _) => Ok(text.into()),
    }
}

/// Whether digits are grouped as those of a sum are, not as those of a phone number with its leading 0.
fn is_in_thousands(text: &str) -> bool {
    let mut groups = text.split([' ', '\u{A0}', '\u{202F}']);
    let first = groups.next().unwrap_or_default();
    let is_group = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    matches!(first.len(), 1..=3)
        && is_group(first)
        && !first.starts_with('0')
        && groups.all(|group| group.len() == 3 && is_group(group))
}

/// The digits of a text in ASCII, with `+` before them if it was there. On the stack: a big import reads a
/// million of these.
#[derive(Clone, Copy)]
struct Typed {
    bytes: [u8; TYPED_DIGITS_MAX + 1],
    length: usize,
    /// A bit for each length at which a `/` stood.
    slashes: u32,
}

impl Typed {
    /// The digits of what is left of a text without what programs did to it.
    fn of(text: &str) -> Result<Typed, PhoneProblem> {
        Typed::read(&from_float(bare(text))?)
    }

    fn read(text: &str) -> Result<Typed, PhoneProblem> {
        let mut typed = Typed { bytes: [0; TYPED_DIGITS_MAX + 1], length: 0, slashes: 0 };
        let mut rest = text.chars();
        while let Some(char) = rest.next() {
            match Sign::of(char) {
                Sign::Digit(digit) => typed.push(b'0' + digit)?,
                Sign::Plus if typed.length == 0 => typed.push(b'+')?,
                Sign::Filler => {}
                Sign::Slash => typed.slashes |= 1 << typed.length,
                Sign::Extension if typed.has_digits() && rest.as_str().contains(is_digit) => {
                    return Err(PhoneProblem::NotDialable);
                }
                Sign::Plus | Sign::Extension | Sign::Other => return Err(PhoneProblem::NotANumber),
            }
        }
        match typed.has_digits() {
            true => Ok(typed),
            false if text.is_empty() => Err(PhoneProblem::Empty),
            false => Err(PhoneProblem::NotANumber),
        }
    }

    fn push(&mut self, byte: u8) -> Result<(), PhoneProblem> {
        *self.bytes.get_mut(self.length).ok_or(PhoneProblem::TooLong)? = byte;
        self.length += 1;
        Ok(())
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).expect("only + and ASCII digits are pushed")
    }

    fn international(&self) -> bool {
        self.bytes[0] == b'+'
    }

    fn has_digits(&self) -> bool {
        self.length > usize::from(self.international())
    }

    /// Without a country of our own, `00` can only be the international prefix most of the world dials.
    fn read_00_as_plus(&mut self) -> Result<(), PhoneProblem> {
        if self.as_str().starts_with("00") {
            self.bytes.copy_within(1..self.length, 0);
            self.bytes[0] = b'+';
            self.length -= 1;
            return Ok(());
        }
        match self.length {
            ..7 => Err(PhoneProblem::TooShort),
            7.. => Err(PhoneProblem::NoCountry),
        }
    }

    /// What stands before each `/` that has something on either side.
    fn before_slashes(self) -> impl Iterator<Item = Typed> {
        let lengths = (1..self.length).filter(move |length| self.slashes >> *length & 1 == 1);
        lengths.map(move |length| Typed { bytes: self.bytes, length, slashes: 0 })
    }

    /// The same digits with a `+`, if they begin with the calling code of the country and had none.
    fn with_calling_code(self, Country(region): Country) -> Option<Typed> {
        let code = PHONE_NUMBER_UTIL.get_country_code_for_region(region)?.to_string();
        let begins_so = self.as_str().starts_with(&code) && self.length < self.bytes.len();
        begins_so.then(|| self.with_plus())
    }

    /// The same digits with a `+`, unless they had one or begin with a 0, as no country code does.
    fn with_plus(self) -> Typed {
        let mut plus = self;
        if !matches!(self.bytes[0], b'+' | b'0') && self.length < self.bytes.len() {
            plus.bytes.copy_within(..self.length, 1);
            plus.bytes[0] = b'+';
            plus.length += 1;
            plus.slashes <<= 1;
        }
        plus
    }

    /// The ten digits behind `+1`, where nothing about them is open: no other calling code begins so, and none of the
    /// prefixes that could be left out. Files are full of them.
    fn north_american(&self) -> Option<u64> {
        let digits = self.as_str().strip_prefix("+1").filter(|digits| digits.len() == 10)?;
        digits.parse().ok().filter(|number| *number >= 2_000_000_000)
    }

    /// The first three digits: no calling code is longer.
    fn calling_code(&self) -> u16 {
        let digits = self.as_str().trim_start_matches('+');
        digits.get(..3).unwrap_or(digits).parse().unwrap_or_default()
    }
}

/// What a character of a typed number means.
enum Sign {
    Digit(u8),
    Plus,
    /// Blanks, hyphens, dots, brackets, and the invisible marks that come along when copying.
    Filler,
    /// A stroke: between area code and number, or between two numbers.
    Slash,
    /// What may stand before an extension.
    Extension,
    Other,
}

impl Sign {
    fn of(char: char) -> Sign {
        match char {
            '0'..='9' => Sign::Digit(char as u8 - b'0'),
            '+' | '\u{FF0B}' => Sign::Plus,
            '/' | '\u{FF0F}' => Sign::Slash,
            ' ' | '-' | '.' | '(' | ')' | '[' | ']' => Sign::Filler,
            // No-break and other wide or narrow spaces.
            '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => Sign::Filler,
            // Hyphens, dashes, minus; full-width hyphen, dot, brackets; middle dot.
            '\u{2010}'..='\u{2015}'
            | '\u{2212}'
            | '\u{FF0D}'
            | '\u{FF0E}'
            | '\u{FF08}'
            | '\u{FF09}'
            | '\u{B7}' => Sign::Filler,
            // Zero width, direction marks, byte order mark, soft hyphen.
            '\u{AD}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'
            | '\u{2066}'..='\u{2069}'
            | '\u{FEFF}' => Sign::Filler,
            'x' | 'X' | 'e' | 'E' | '#' | ';' | ',' => Sign::Extension,
            _ => digit_of_another_script(char).map_or(Sign::Other, Sign::Digit),
        }
    }
}

fn is_digit(char: char) -> bool {
    char.is_ascii_digit() || digit_of_another_script(char).is_some()
}

/// Unicode keeps each script's ten digits in a row; these are the zeros of the scripts in daily use.
fn digit_of_another_script(char: char) -> Option<u8> {
    const ZEROS: [u32; 20] = [
        0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
        0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x17E0, 0x1810, 0x1946, 0xFF10,
    ];
    let code = u32::from(char);
    let distance = ZEROS.iter().filter_map(|zero| code.checked_sub(*zero)).min()?;
    u8::try_from(distance).ok().filter(|digit| *digit < 10)
}

fn problem_of_parse(error: ParseError, typed: &Typed) -> PhoneProblem {
    match error {
        ParseError::InvalidCountryCode => PhoneProblem::UnknownCountry(typed.calling_code()),
        ParseError::NotANumber(_) | ParseError::TooShortAfterIdd | ParseError::TooShortNsn => {
            PhoneProblem::TooShort // digits are all there is by now, so "no number" means too few of them
        }
        ParseError::TooLongNsn => PhoneProblem::TooLong,
    }
}

fn problem_of_validity(number: &PhoneNumber) -> PhoneProblem {
    match number.is_possible_with_reason() {
        // Good only within its own town: the area code is missing.
        Ok(NumberLengthType::IsPossibleLocalOnly) | Err(ValidationError::TooShort) => PhoneProblem::TooShort,
        Err(ValidationError::TooLong) => PhoneProblem::TooLong,
        Ok(NumberLengthType::IsPossible)
        | Err(ValidationError::InvalidCountryCode | ValidationError::InvalidLength) => {
            PhoneProblem::NotDialable
        }
    }
}

/// Puts country code, the zeros that belong to the number (Italy's `+39 06 …`) and the rest together.
fn e164(number: &PhoneNumber) -> Result<Phone, PhoneProblem> {
    let zeros = match number.italian_leading_zero() {
        true => u32::try_from(number.number_of_leading_zeros()).unwrap_or_default(),
        false => 0,
    };
    let length = number.national_number.checked_ilog10().map_or(1, |log| log + 1) + zeros;
    let country_code = u64::try_from(number.country_code).unwrap_or_default();
    let digits = 10_u64
        .checked_pow(length)
        .and_then(|shift| country_code.checked_mul(shift))
        .and_then(|shifted| shifted.checked_add(number.national_number))
        .ok_or(PhoneProblem::TooLong)?;
    Phone::from_digits(digits).ok_or(match digits < 10_u64.pow(DIGITS_MIN - 1) {
        true => PhoneProblem::TooShort,
        false => PhoneProblem::TooLong,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rlibphonenumber::{PhoneNumberFormat, PhoneNumberType};

    use super::*;

    #[test]
    fn numbers_in_a_text_are_masked_and_other_digits_stay() {
        for (text, masked) in [
            ("phone=+12025550101", "phone=+1202***0101"),
            ("x+12025550101x", "x+1202***0101x"),
            ("to +1 (202) 555-0101, 7", "to +1202***0101, 7"),
            ("+12025550101 2026-03-04", "+1202***0101 2026-03-04"),
            ("+12025550101\n+4930901820", "+1202***0101\n+493***1820"),
            ("a 12025550101, (2025550101)", "a 1202***0101, (202***0101)"),
            ("0012025550101", "0012***0101"),
            ("٧12025550101٨ tel2025550101x", "٧1202***0101٨ tel202***0101x"),
            ("+120255501010000123456", "+1202***3456"),
            ("2026-03-04T10:00:00.123456Z call=1234567", "2026-03-04T10:00:00.123456Z call=1234567"),
            ("é0a12345678901b1c é", "é0a12345678901b1c é"),
            ("a12345678b, 1234567890123456", "a1***5678b, 1234***3456"),
            ("+ 1, +, ++", "+ 1, +, ++"),
            ("+١٢٠٢", "+١٢٠٢"),
            ("", ""),
        ] {
            assert_eq!(masked_in(text), masked);
        }
    }

    proptest! {
        #[test]
        fn no_number_stays_readable(before in "[a-z =(,]{0,5}", digits in "[1-9][0-9]{9,14}", after in "([ ,)a-z][^0-9+]{0,5})?") {
            let shown = masked_in(&format!("{before}+{digits}{after}")).into_owned();
            prop_assert!(!shown.contains(&digits), "{}", shown);
            masked_in(&(before + &digits + &after));
        }

        #[test]
        fn any_text_can_be_masked(text in "\\PC*|[+0-9 .é-]{0,40}") {
            prop_assert!(!masked_in(&text).is_empty() || text.is_empty());
        }
    }

    fn us() -> Option<Country> {
        Country::parse("us")
    }

    fn read(text: &str, country: Option<Country>) -> Result<String, PhoneProblem> {
        parse(text, country).map(|phone| phone.to_string())
    }

    #[test]
    fn the_forms_people_write_are_the_same_number() {
        for text in [
            "+12025550101",
            "+1 202 555 0101",
            "+1 (202) 555-0101",
            "+1-202-555-0101",
            "+1.202.555.0101",
            "+1/202/555/0101",
            " +12025550101 ",
            "+12025550101\r\n",
            "+1\u{A0}202\u{202F}555\u{2011}0101",
            "\u{202A}+1 202 555 0101\u{202C}",
            "\u{FEFF}+12025550101",
            "tel:+1-202-555-0101",
            "TEL:+12025550101",
            "0012025550101",
            "00 1 202 555 0101",
            "'+12025550101",
            "=\"+12025550101\"",
            "=+12025550101",
            "'=\"+1 202 555 0101\"",
            "＋１２０２５５５０１０１",
            "+١٢٠٢٥٥٥٠١٠١",
            "+۱۲۰۲۵۵۵۰۱۰۱",
            "+१२०२५५५०१०१",
        ] {
            assert_eq!(read(text, None).as_deref(), Ok("+12025550101"), "{text:?}");
        }
    }

    #[test]
    fn a_number_that_lost_its_plus_is_read_by_its_country_code_where_somebody_says_so() {
        let read = |text| parse(text, Unprefixed::International).map(|phone| phone.to_string());
        for text in [
            "12025550101",
            "1 (202) 555-0101",
            "12025550101.0",
            "+12025550101",
            "0012025550101",
            "1/2025550101",
        ] {
            assert_eq!(read(text).as_deref(), Ok("+12025550101"), "{text}");
        }
        // In Germany itself it would be two people's.
        assert_eq!(read("49441123456").as_deref(), Ok("+49441123456"));
        assert_eq!(read("0441 123456"), Err(PhoneProblem::NoCountry));
        assert_eq!(read("999123456789"), Err(PhoneProblem::UnknownCountry(999)));
        assert_eq!(read("4930901820 / 21"), Err(PhoneProblem::TwoNumbers));
        assert_eq!(read("911"), Err(PhoneProblem::TooShort));
        for unprefixed in [Unprefixed::International, Unprefixed::National(us().unwrap())] {
            assert_eq!(Unprefixed::parse(&unprefixed.word().unwrap()), Some(unprefixed));
        }
        assert_eq!((Unprefixed::Refused.word(), Unprefixed::parse("Mars")), (None, None));
    }

    proptest! {
        #[test]
        fn a_north_american_number_is_what_the_library_reads(digits in "[2-9][0-9]{9}") {
            let typed = Typed::read(&format!("+1{digits}")).unwrap();
            let number = PHONE_NUMBER_UTIL.parse(typed.as_str(), None).unwrap();
            let ours = PhoneNumber {
                country_code: 1,
                national_number: typed.north_american().unwrap(),
                ..PhoneNumber::default()
            };
            prop_assert_eq!(number, ours);
            let glance = at_a_glance(&format!("+1 {digits}"));
            let read = parse(&format!("+1 {digits}"), None);
            prop_assert!(read.is_err() || read.ok() == glance);
        }
    }

    #[test]
    fn a_national_form_is_read_in_the_default_country() {
        for (text, country, expected) in [
            ("2025550101", "US", "+12025550101"),
            ("(202) 555-0101", "us", "+12025550101"),
            ("12025550101", "US", "+12025550101"),
            ("011 49 30 901820", "US", "+4930901820"),
            ("030 901820", "DE", "+4930901820"),
            ("0049 30 901820", "DE", "+4930901820"),
            ("020 7946 0018", "GB", "+442079460018"),
            ("06 698 12345", "IT", "+390669812345"),
            ("+1 202 555 0101", "DE", "+12025550101"),
            ("0049 30 901820", "US", "+4930901820"),
            ("001 202 555 0101", "US", "+12025550101"),
        ] {
            assert_eq!(read(text, Country::parse(country)).as_deref(), Ok(expected), "{text:?} in {country}");
        }
    }

    #[test]
    fn a_trunk_zero_in_brackets_is_left_out_and_an_italian_zero_kept() {
        assert_eq!(read("+44 (0)20 7946 0018", None).as_deref(), Ok("+442079460018"));
        assert_eq!(read("+49 (0) 30 901820", None).as_deref(), Ok("+4930901820"));
        assert_eq!(read("+39 06 69812345", None).as_deref(), Ok("+390669812345"));
    }

    #[test]
    fn what_cannot_be_dialed_is_refused_with_its_reason() {
        use PhoneProblem::*;
        for (text, country, expected) in [
            ("", None, Empty),
            (" \t\u{A0}", None, Empty),
            ("'", None, Empty),
            ("tel:", None, Empty),
            ("+", None, NotANumber),
            ("-", None, NotANumber),
            ("n/a", None, NotANumber),
            ("hello", us(), NotANumber),
            ("1-800-FLOWERS", us(), NotANumber),
            ("+1 202\r\n555 0101", None, NotANumber),
            ("+1 202\u{0}555 0101", None, NotANumber),
            ("+1 202\t555 0101", None, NotANumber),
            ("+12025550101@evil.example", None, NotANumber),
            ("<sip:+12025550101>", None, NotANumber),
            ("+12025550101 +12025550102", None, NotANumber),
            ("=1+2", None, NotANumber),
            ("=SUM(A1)", None, NotANumber),
            ("=\"+12025550101", None, NotANumber),
            ("*672025550101", us(), NotANumber),
            ("+12025550101x123", None, NotDialable),
            ("+1 202 555 0101 ext. 5", None, NotDialable),
            ("tel:+12025550101;ext=5", None, NotDialable),
            ("+12025550101,,5", None, NotDialable),
            ("+12025550101#5", None, NotDialable),
            ("1.20256E+10", us(), Rounded),
            ("2025550101", None, NoCountry),
            ("12025550101", None, NoCountry),
            ("911", None, TooShort),
            ("911", us(), TooShort),
            ("112", Country::parse("DE"), TooShort),
            ("999", Country::parse("GB"), TooShort),
            ("555-0101", us(), TooShort),
            ("+1911", None, TooShort),
            ("+1 202 555 010", None, TooShort),
            ("+1 202 555 01011", None, TooLong),
            ("1234567890123456789012345678901234567890", None, TooLong),
            ("+1 111 555 0101", None, NotDialable),
            ("+1 202 155 0101", None, NotDialable),
            ("+999 123 456 789", None, UnknownCountry(999)),
            ("+0123456789", None, UnknownCountry(12)),
        ] {
            assert_eq!(parse(text, country), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn every_problem_is_a_sentence_that_says_what_to_do() {
        use PhoneProblem::*;
        let [one, other] = [4_930_901_820, 49_301_820].map(|digits| Phone::from_digits(digits).unwrap());
        for problem in [
            Empty,
            TooLong,
            TooShort,
            NoCountry,
            UnknownCountry(999),
            NotANumber,
            NotDialable,
            Rounded,
            TwoNumbers,
            TwoReadings(one, other),
        ] {
            let sentence = problem.to_string();
            assert!(sentence.contains(": ") && !sentence.contains("  "), "{sentence}");
        }
    }

    #[test]
    fn what_a_spreadsheet_took_for_a_fraction_keeps_its_digits_and_gets_no_more() {
        use PhoneProblem::*;
        let de = Country::parse("DE");
        for (text, expected) in [
            ("49301234567.0", Ok("+49301234567")),
            ("49301234567.00", Ok("+49301234567")),
            ("+49301234567.0", Ok("+49301234567")),
            ("'49301234567.0", Ok("+49301234567")),
            ("=\"49301234567.0\"", Ok("+49301234567")),
            ("-49301234567.0", Ok("+49301234567")),
            ("49 301 234 567.00", Ok("+49301234567")),
            ("4.9301234567E+10", Ok("+49301234567")),
            ("4,9301234567E+10", Ok("+49301234567")),
            ("4.9301234567e10", Ok("+49301234567")),
            ("301234567.0", Ok("+49301234567")),
            ("4.93E+11", Err(Rounded)),
            ("4.93012E+10", Err(Rounded)),
            ("493000000000.0", Err(Rounded)),
            ("4.930000000000E+12", Err(Rounded)),
            ("1E10", Err(Rounded)),
            // Dots that people write stay what they are.
            ("030.1234567", Ok("+49301234567")),
            ("030.123.45.67", Ok("+49301234567")),
            ("0301.234500", Ok("+49301234500")),
        ] {
            assert_eq!(read(text, de), expected.map(str::to_owned), "{text}");
        }
        assert_eq!(read("12025550101.0", us()).as_deref(), Ok("+12025550101"));
        assert_eq!(at_a_glance("+1202555010.0"), None);
    }

    #[test]
    fn a_stroke_stands_behind_an_area_code_and_not_between_two_numbers() {
        for (text, country, expected) in [
            ("030/1234567", "DE", Some("+49301234567")),
            ("030 / 123 45 67", "DE", Some("+49301234567")),
            ("+49 (0)30/1234567", "DE", Some("+49301234567")),
            ("0049/30/1234567", "DE", Some("+49301234567")),
            ("03301/123", "DE", Some("+493301123")),
            ("0176／12345678", "DE", Some("+4917612345678")),
            ("05223/12345", "AT", Some("+43522312345")),
            ("01/2345678", "AT", Some("+4312345678")),
            ("202/555/0101", "US", Some("+12025550101")),
            ("030 1234567/", "DE", Some("+49301234567")),
            ("030 1234567 / 89", "DE", None),
            ("030/1234567/89", "DE", None),
            ("030 1234567／8", "DE", None),
            ("+49 30 1234567 / 568", "US", None),
            ("0441 12345/12346", "DE", None),
            ("0049 30 1234567 / 89", "US", None),
        ] {
            let expected = expected.map(str::to_owned).ok_or(PhoneProblem::TwoNumbers);
            assert_eq!(read(text, Country::parse(country)), expected, "{text} in {country}");
        }
    }

    #[test]
    fn no_german_or_austrian_area_code_is_taken_for_a_number() {
        for (country, digits) in [("DE", 10..100_000), ("AT", 1..10_000)] {
            let taken: Vec<u32> =
                digits.filter(|code| read(&format!("0{code}"), Country::parse(country)).is_ok()).collect();
            assert_eq!(taken, [0_u32; 0], "{country}");
        }
    }

    #[test]
    fn a_number_that_begins_with_the_countrys_code_is_read_only_where_it_can_be_one_alone() {
        for (text, country, expected) in [
            ("49441123456", "DE", None),
            ("49421123456", "DE", None),
            ("49 471 123456", "DE", None),
            ("49 (0)441 123456", "DE", None),
            ("+49441123456", "DE", Some("+49441123456")),
            ("0049441123456", "DE", Some("+49441123456")),
            ("0441123456", "DE", Some("+49441123456")),
            ("04944 1123456", "DE", Some("+4949441123456")),
            ("441123456", "DE", Some("+49441123456")),
            // By the plan 0491 may have ten digits more, so nobody can tell.
            ("4915123456789", "DE", None),
            ("015123456789", "DE", Some("+4915123456789")),
            ("49301234567", "DE", Some("+49301234567")),
            ("49891234567", "DE", Some("+49891234567")),
            ("436641234567", "AT", Some("+436641234567")),
            ("06641234567", "AT", Some("+436641234567")),
            ("2025550101", "US", Some("+12025550101")),
            ("12025550101", "US", Some("+12025550101")),
            ("1 (202) 555-0101", "US", Some("+12025550101")),
            ("33612345678", "FR", Some("+33612345678")),
            ("0612345678", "FR", Some("+33612345678")),
            ("331234567", "FR", Some("+33331234567")),
            ("447400123456", "GB", Some("+447400123456")),
            ("442079460018", "GB", Some("+442079460018")),
            ("07400123456", "GB", Some("+447400123456")),
            ("9123456789", "IN", Some("+919123456789")),
            ("919123456789", "IN", Some("+919123456789")),
            ("9118001234", "IN", None),
            ("5532211234", "BR", Some("+555532211234")),
            ("555532211234", "BR", Some("+555532211234")),
            ("55996123456", "BR", Some("+5555996123456")),
            ("5511961234567", "BR", Some("+5511961234567")),
            ("3123456789", "IT", Some("+393123456789")),
            ("3906123456", "IT", None),
            ("393123456789", "IT", Some("+393123456789")),
            ("79123456789", "RU", Some("+79123456789")),
            ("89123456789", "RU", Some("+79123456789")),
            ("34612345678", "ES", Some("+34612345678")),
            ("612345678", "ES", Some("+34612345678")),
        ] {
            match (read(text, Country::parse(country)), expected) {
                (Ok(read), Some(expected)) => assert_eq!(read, expected, "{text} in {country}"),
                (Err(PhoneProblem::TwoReadings(one, other)), None) => assert_ne!(one, other),
                (read, _) => panic!("{text} in {country}: {read:?}"),
            }
        }
    }

    /// Every country's own numbers, drawn by chance: how many are refused as they are dialed there, and how many
    /// written without what is dialed before an area code.
    #[test]
    fn what_is_dialed_within_a_country_is_hardly_ever_two_numbers() {
        use PhoneNumberType::{FixedLine, Mobile};
        const DRAWN: usize = 60;
        let mut chance = 1_u64;
        let mut digit = || {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            chance >> 33
        };
        let is_two = |text: &str, region| {
            matches!(parse(text, Some(Country(region))), Err(PhoneProblem::TwoReadings(..)))
        };
        let (mut drawn, mut dialed, mut bare) = (0, Vec::new(), Vec::new());
        for region in PHONE_NUMBER_UTIL.get_supported_regions() {
            for kind in [FixedLine, Mobile] {
                let Ok(example) = PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, kind)
                else {
                    continue;
                };
                for _ in 0..DRAWN {
                    let length = example.national_number.ilog10();
                    let keep = 10_u64.pow(u32::try_from(digit() % u64::from(length)).unwrap() + 1);
                    let mut number = example.clone();
                    number.national_number = example.national_number / keep * keep + digit() % keep;
                    if !number.is_valid() {
                        continue;
                    }
                    drawn += 1;
                    if is_two(&number.format_as(PhoneNumberFormat::National), region) {
                        dialed.push(region.as_region_str().as_str().to_owned());
                    }
                    if is_two(&number.get_national_significant_number(), region) {
                        bare.push(region.as_region_str().as_str().to_owned());
                    }
                }
            }
        }
        assert!(drawn > 20_000, "{drawn}");
        // Italian mobile numbers have no 0 before them, and 390 6123456 is +39 06 123456 without its `+`.
        assert!(dialed.len() * 5_000 < drawn, "{dialed:?} of {drawn}");
        assert!(bare.len() * 2_000 < drawn, "{bare:?} of {drawn}");
    }

    /// All area codes of the United States are those whose ordinary numbers the plan holds and places there.
    #[test]
    fn numbers_kept_for_fiction_are_accepted_in_every_us_area_code() {
        let number = |area: u64, rest: u64| PhoneNumber {
            country_code: 1,
            national_number: area * 10_000_000 + rest,
            ..PhoneNumber::default()
        };
        let area_codes: Vec<u64> = (200..1000)
            .filter(|area| number(*area, 234_5678).get_region_code() == Some(Region::US))
            .filter(|area| number(*area, 234_5678).get_type() == PhoneNumberType::FixedLineOrMobile)
            .collect();
        assert!(area_codes.len() > 300, "{}", area_codes.len());
        for area in area_codes {
            for line in [100, 101, 112, 150, 199] {
                let phone = parse(&format!("+1{area}5550{line}"), None);
                assert_eq!(phone.map(fictional_story), Ok(Some(line)), "+1 {area} 555 0{line}");
            }
        }
    }

    #[test]
    fn only_the_lines_0100_to_0199_of_exchange_555_are_fiction() {
        for text in
            ["+12025550099", "+12025550200", "+12025560101", "+442025550101", "+4930901820", "+11025550101"]
        {
            let phone = Phone::from_e164(text).unwrap();
            assert_eq!(fictional_story(phone), None, "{text}");
        }
        assert_eq!(fictional_story(Phone::from_e164("+13125550112").unwrap()), Some(112));
    }

    #[test]
    fn the_stored_form_is_read_strictly() {
        assert_eq!(Phone::from_e164("+12025550101").map(Phone::digits), Some(12_025_550_101));
        for text in [
            "",
            "+",
            "12025550101",
            "++2025550101",
            "+1 2025550101",
            "+1202555010x",
            "+0123456789",
            "+1234567",
            "+1234567890123456",
            "+１２０２５５５０１０１",
            "+12025550101\n",
        ] {
            assert_eq!(Phone::from_e164(text), None, "{text:?}");
        }
    }

    #[test]
    fn debug_hides_the_middle_and_display_shows_all() {
        for (text, masked) in [
            ("+15551231234", "+1555***1234"),
            ("+12025550101", "+1202***0101"),
            ("+4930901820", "+493***1820"),
            ("+12345678", "+1***5678"),
            ("+123456789012345", "+1234***2345"),
        ] {
            let phone = Phone::from_e164(text).unwrap();
            assert_eq!(format!("{phone:?}"), masked);
            assert_eq!(phone.to_string(), text);
        }
    }

    #[test]
    fn a_country_is_two_letters_with_a_numbering_plan() {
        for text in ["us", "US", " De ", "GB", "TR"] {
            assert!(Country::parse(text).is_some(), "{text}");
        }
        for text in ["", "U", "USA", "ZZ", "QQ", "1", "001", "ÜS", "世"] {
            assert!(Country::parse(text).is_none(), "{text}");
        }
        assert_eq!(us().unwrap().to_string(), "US");
    }

    proptest! {
        #[test]
        fn any_text_is_answered_and_an_accepted_number_reads_back(text in "\\PC*|[-+0-9 ().x'=\"]{0,30}") {
            for country in [None, us()] {
                if let Ok(phone) = parse(&text, country) {
                    prop_assert_eq!(Phone::from_e164(&phone.to_string()), Some(phone));
                    prop_assert_eq!(Phone::from_digits(phone.digits()), Some(phone));
                    prop_assert_eq!(parse(&phone.to_string(), None), Ok(phone));
                }
            }
        }

        #[test]
        fn a_mask_never_shows_more_than_eight_digits_and_always_hides_three(digits in 10_000_000u64..1_000_000_000_000_000) {
            let phone = Phone::from_digits(digits).unwrap();
            let shown = phone.masked().bytes().filter(u8::is_ascii_digit).count();
            prop_assert!(shown <= 8 && shown + 3 <= digits.to_string().len());
        }
    }
}
