//! Exact money: an integer of ten-thousandths of the campaign's currency unit, never a float.

use super::fields::Parsed;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Mul, Sub};

/// An amount in ten-thousandths of the currency unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);
    /// The largest amount a caller may send: a billion units, small enough that every JSON reader keeps
    /// all its digits.
    pub const MAX: Money = Money(1_000_000_000 * UNIT);

    /// From ten-thousandths, as stored.
    pub const fn from_ten_thousandths(amount: i64) -> Money {
        Money(amount)
    }

    /// As ten-thousandths, as stored.
    pub const fn ten_thousandths(self) -> i64 {
        self.0
    }

    /// Reads a JSON number of 0 to a billion with up to four decimals.
    pub fn parse(value: &Value) -> Parsed<Money> {
        let text = match value {
            Value::Number(number) => plain_decimal(number),
            Value::String(_) => return Err("must be a number, not a text; send it without quotes".into()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        text.as_deref()
            .and_then(decimal)
            .map(Money)
            .filter(|money| *money <= Money::MAX)
            .ok_or_else(|| "must be an amount between 0 and 1000000000 with at most 4 decimals".to_owned())
    }

    /// The difference, or zero where it would be negative.
    pub fn minus_or_zero(self, other: Money) -> Money {
        Money((self.0 - other.0).max(0))
    }

    /// How many percent of `whole` this is, rounded down; 100 of a whole of zero.
    pub fn percent_of(self, whole: Money) -> i64 {
        if whole.0 == 0 { 100 } else { (i128::from(self.0) * 100 / i128::from(whole.0)) as i64 }
    }
}

const UNIT: i64 = 10_000;
const DECIMALS: usize = 4;

/// The decimal digits of a JSON number. The shortest text of a float that was read from up to 15 digits is
/// those digits again, so nothing is lost.
fn plain_decimal(number: &serde_json::Number) -> Option<String> {
    match (number.as_u64(), number.as_f64()) {
        (Some(whole), _) => Some(whole.to_string()),
        // Minus zero is zero.
        (None, Some(float)) if float.is_finite() => Some(format!("{}", float + 0.0)),
        _ => None,
    }
}

fn decimal(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction_kept = fraction.trim_end_matches('0');
    if !digits(whole) || !digits(fraction) || fraction_kept.len() > DECIMALS {
        return None;
    }
    let fraction: i64 = format!("{fraction_kept:0<DECIMALS$}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(UNIT)?.checked_add(fraction)
}

impl fmt::Display for Money {
    /// The shortest exact decimal form: `0.5`, `1000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (self.0.abs() / UNIT, self.0.abs() % UNIT);
        match fraction {
            0 => write!(f, "{sign}{whole}"),
            _ => write!(f, "{sign}{whole}.{}", format!("{fraction:0DECIMALS$}").trim_end_matches('0')),
        }
    }
}

impl Serialize for Money {
    /// A JSON number in its shortest exact form.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 % UNIT {
            0 => serializer.serialize_i64(self.0 / UNIT),
            // Up to 15 digits survive a double unharmed, and its shortest text is those digits.
            _ => serializer.serialize_f64(self.0 as f64 / UNIT as f64),
        }
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        Money::parse(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0 + other.0)
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0 - other.0)
    }
}

impl Mul<i64> for Money {
    type Output = Money;
    fn mul(self, times: i64) -> Money {
        Money(self.0 * times)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn amounts_come_out_in_their_shortest_exact_form() {
        for (sent, shown) in [
            (json!(0.50), "0.5"),
            (json!(1000.00), "1000"),
            (json!(25.1000), "25.1"),
            (json!(-0.0), "0"),
            (json!(0.0001), "0.0001"),
            (json!(1e3), "1000"),
            (json!(0), "0"),
            (json!(999999999.9999), "999999999.9999"),
        ] {
            let money = Money::parse(&sent).unwrap();
            assert_eq!(
                (money.to_string().as_str(), serde_json::to_string(&money).unwrap().as_str()),
                (shown, shown)
            );
        }
    }

    #[test]
    fn what_is_no_exact_amount_is_refused() {
        for sent in [
            json!(-1),
            json!(0.00001),
            json!(1e10),
            json!(-0.0001),
            json!("1.5"),
            json!(""),
            json!(true),
            json!([1]),
            json!(u64::MAX),
        ] {
            assert!(Money::parse(&sent).is_err(), "{sent}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_survives_json_and_back(amount in 0..=Money::MAX.0) {
            let json = serde_json::to_string(&Money(amount)).unwrap();
            prop_assert_eq!(Money::parse(&serde_json::from_str(&json).unwrap()), Ok(Money(amount)));
        }
    }
}
