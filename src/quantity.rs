//! Kubernetes quantities (`1500m`, `20Gi`, `1e3`), read and written as the API server does.
//!
//! Follows `k8s.io/apimachinery/pkg/api/resource`: values are whole nanos, a finer value is rounded
//! away from zero, binary values are capped at 2⁶³-1, and the canonical form has no fraction and
//! the largest suffix. We are stricter in one point: text without a digit (`-`, `.`, `k`), which Go
//! reads as zero, is refused.

use std::cmp::Ordering;
use std::fmt;

const NANO: i128 = 1_000_000_000;
const DECIMAL: &[(&str, i32)] = &[
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: &[&str] = &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// A quantity. Compares by value: `1Gi` equals `1024Mi`.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// The kind of suffix that it was written with, kept when it is written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `20Gi`.
    Binary,
    /// `20G`, `500m`, `20`.
    Decimal,
    /// `20e9`.
    Exponent,
}

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Nothing at all.
    #[error("it is empty")]
    Empty,
    /// No digits, or two points.
    #[error("it does not begin with a number")]
    NotNumber,
    /// A suffix that Kubernetes does not know.
    #[error("there is no unit `{suffix}`")]
    Suffix {
        /// The number in front of it.
        number: String,
        /// The suffix.
        suffix: String,
    },
    /// More than can be represented.
    #[error("it is too large")]
    TooLarge,
}

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// If the API server would not accept it, or it has no digits, or it exceeds about 10²⁹.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Empty);
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(QuantityError::NotNumber);
        }
        let unit = Unit::parse(suffix).ok_or_else(|| QuantityError::Suffix {
            number: text[..text.len() - suffix.len()].to_owned(),
            suffix: suffix.to_owned(),
        })?;
        let magnitude = unit.nanos(whole, fraction).ok_or(QuantityError::TooLarge)?;
        Ok(Self { nanos: if text.starts_with('-') { -magnitude } else { magnitude }, format: unit.format() })
    }

    /// The form in which the API server keeps it: no fraction, the largest unit, the same kind of
    /// unit as it was written with. Reading it again gives the same value and the same text.
    #[must_use]
    pub fn canonical(&self) -> String {
        let large = self.nanos.abs() >= 1024 * NANO;
        match self.format {
            // A small or broken number of bytes is written in decimal, so that nothing is lost.
            Format::Binary if large && self.nanos % NANO == 0 => binary(self.nanos / NANO),
            Format::Binary | Format::Decimal => decimal(self.nanos, true),
            Format::Exponent => decimal(self.nanos, false),
        }
    }

    /// Whether it is more than zero.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.nanos > 0
    }

    /// Whether it is less than zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    /// Its whole part, where it is one of bytes; `None` below zero.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        u64::try_from(self.nanos / NANO).ok()
    }

    /// Whether it is a whole number.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.nanos % NANO == 0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl QuantityError {
    /// What was probably meant: `10k or 10Ki` for `10K`.
    #[must_use]
    pub fn suggestion(&self) -> Option<String> {
        let Self::Suffix { number, suffix } = self else {
            return None;
        };
        if let Some(rest) = suffix.strip_prefix(',') {
            let pointed = format!("{number}.{rest}");
            return Quantity::parse(&pointed).is_ok().then_some(pointed);
        }
        let word = suffix.trim().to_ascii_lowercase();
        let word = ["bytes", "byte", "b"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(&word);
        let (word, binary_only) = word.strip_suffix('i').map_or((word, false), |word| (word, true));
        if word.is_empty() {
            return Some(number.clone());
        }
        let (decimal, _) =
            DECIMAL.iter().rev().find(|(name, power)| *power >= 0 && name.eq_ignore_ascii_case(word))?;
        let binary = format!("{number}{}i", word.to_ascii_uppercase());
        Some(if binary_only { binary } else { format!("{number}{decimal} or {binary}") })
    }
}

/// What a suffix multiplies by.
#[derive(Debug, Clone, Copy)]
enum Unit {
    /// A power of two.
    Binary(u32),
    /// A power of ten with a name.
    Decimal(i32),
    /// A power of ten as a number.
    Exponent(i32),
}

impl Unit {
    fn parse(suffix: &str) -> Option<Self> {
        if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
            return Some(Self::Decimal(*power));
        }
        if let Some(index) = BINARY.iter().position(|name| *name == suffix) {
            return u32::try_from(index * 10).ok().map(Self::Binary);
        }
        let power = suffix.strip_prefix(['e', 'E'])?;
        // Saturating: far beyond any bound all powers mean the same.
        let power: i64 = power.parse().ok()?;
        Some(Self::Exponent(i32::try_from(power.clamp(-10_000, 10_000)).ok()?))
    }

    fn format(self) -> Format {
        match self {
            Self::Binary(_) => Format::Binary,
            Self::Decimal(_) => Format::Decimal,
            Self::Exponent(_) => Format::Exponent,
        }
    }

    /// `whole.fraction` of this unit in nanos, rounded up; `None` if that is too large.
    fn nanos(self, whole: &str, fraction: &str) -> Option<i128> {
        let is_zero = |digits: &str| digits.bytes().all(|digit| digit == b'0');
        if is_zero(whole) && is_zero(fraction) {
            return Some(0);
        }
        match self {
            Self::Binary(power) => {
                let most = i128::from(i64::MAX) * NANO;
                let nanos = times(whole, fraction, (1_i128 << power) * NANO);
                Some(nanos.map_or(most, |nanos| nanos.min(most)))
            }
            Self::Decimal(power) | Self::Exponent(power) => {
                let nano_power = power + 9;
                if let Ok(power) = u32::try_from(nano_power) {
                    return times(whole, fraction, 10_i128.checked_pow(power)?);
                }
                // Finer than a nano: move the point to the left until the unit is one nano.
                let moved = usize::try_from(-nano_power).ok()?.min(whole.len() + 1);
                let padded = format!("{whole:0>moved$}");
                let (whole, tail) = padded.split_at(padded.len() - moved);
                times(whole, &format!("{tail}{fraction}"), 1)
            }
        }
    }
}

/// `whole.fraction × unit`, rounded up.
fn times(whole: &str, fraction: &str, unit: i128) -> Option<i128> {
    let mut value = 0_i128;
    for digit in whole.bytes() {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    // From the last digit to the first, so that no more than one unit is ever held.
    let (mut part, mut rest) = (0_i128, false);
    for digit in fraction.bytes().rev() {
        let sum = unit.checked_mul(i128::from(digit - b'0'))?.checked_add(part)?;
        rest |= sum % 10 != 0;
        part = sum / 10;
    }
    value.checked_mul(unit)?.checked_add(part)?.checked_add(i128::from(rest))
}

fn binary(mut value: i128) -> String {
    let mut unit = 0;
    while value % 1024 == 0 && unit + 1 < BINARY.len() {
        value /= 1024;
        unit += 1;
    }
    format!("{value}{}", BINARY[unit])
}

fn decimal(nanos: i128, named: bool) -> String {
    let (mut value, mut power) = (nanos, -9);
    while value != 0 && value % 1000 == 0 {
        value /= 1000;
        power += 3;
    }
    let name = DECIMAL.iter().find(|(_, p)| *p == power);
    match name {
        _ if value == 0 || power == 0 => value.to_string(),
        Some((name, _)) if named => format!("{value}{name}"),
        // Exponents have no bound; nor has Go since it stopped dropping what lies beyond `E`.
        _ => format!("{value}e{power}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> String {
        Quantity::parse(text).unwrap().canonical()
    }

    /// Each pair was printed by apimachinery 0.36.2.
    #[test]
    fn writes_what_the_api_server_writes() {
        for (text, expected) in [
            ("1024Mi", "1Gi"),
            ("20Gi", "20Gi"),
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1500m", "1500m"),
            ("1.5Gi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("0.5Ki", "512"),
            ("1.1Ki", "1126400m"),
            ("1.0000000001Gi", "1073741824107374183n"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12345e4", "123450e3"),
            ("1e-3", "1e-3"),
            ("1e-10", "1e-9"),
            ("1e0", "1"),
            ("100000000", "100M"),
            ("1E", "1E"),
            ("1Ei", "1Ei"),
            ("8Ei", "9223372036854775807"),
            ("1.2345", "1234500u"),
            ("0.0000000001", "1n"),
            ("-0.0000000001", "-1n"),
            ("0.1n", "1n"),
            ("+5", "5"),
            ("-5k", "-5k"),
            (".5", "500m"),
            ("5.", "5"),
            ("0Gi", "0"),
            ("007", "7"),
            ("0e1000", "0"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn compares_by_value() {
        let parse = |text| Quantity::parse(text).unwrap();
        assert_eq!(parse("1Gi"), parse("1024Mi"));
        assert_eq!(parse("1e3"), parse("1k"));
        assert!(parse("1G") < parse("1Gi"));
        assert!(parse("-1") < parse("0"));
        assert!(parse("1n").is_positive() && !parse("0").is_positive() && !parse("-1").is_positive());
    }

    #[test]
    fn says_what_is_wrong_and_what_was_meant() {
        for (text, message, suggestion) in [
            ("", "it is empty", None),
            ("-", "it does not begin with a number", None),
            (".", "it does not begin with a number", None),
            ("Gi", "it does not begin with a number", None),
            ("1.2.3", "it does not begin with a number", None),
            ("10K", "there is no unit `K`", Some("10k or 10Ki")),
            ("10gi", "there is no unit `gi`", Some("10Gi")),
            ("10g", "there is no unit `g`", Some("10G or 10Gi")),
            ("10GB", "there is no unit `GB`", Some("10G or 10Gi")),
            ("10GiB", "there is no unit `GiB`", Some("10Gi")),
            ("10 Gi", "there is no unit ` Gi`", Some("10Gi")),
            ("10mb", "there is no unit `mb`", Some("10M or 10Mi")),
            ("1,5Gi", "there is no unit `,5Gi`", Some("1.5Gi")),
            ("10B", "there is no unit `B`", Some("10")),
            ("10x", "there is no unit `x`", None),
            ("1e", "there is no unit `e`", Some("1E or 1Ei")),
            ("1e3.5", "there is no unit `e3.5`", None),
            ("1Ki1", "there is no unit `Ki1`", None),
            ("1e40", "it is too large", None),
        ] {
            let error = Quantity::parse(text).unwrap_err();
            assert_eq!(error.to_string(), message, "{text}");
            assert_eq!(error.suggestion().as_deref(), suggestion, "{text}");
        }
    }

    proptest! {
        #[test]
        fn canonical_keeps_the_value_and_itself(
            text in "[-+]?[0-9]{1,10}(\\.[0-9]{0,12})?(n|u|m||k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?[0-9])"
        ) {
            let once = Quantity::parse(&text).unwrap();
            let again = Quantity::parse(&once.canonical()).unwrap();
            prop_assert_eq!(once, again);
            prop_assert_eq!(once.canonical(), again.canonical());
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            if let Err(error) = Quantity::parse(&text) {
                let _ = (error.to_string(), error.suggestion());
            }
        }

        #[test]
        fn every_suggestion_is_a_quantity(text in "[0-9]{1,3}[ ,]?[a-zA-Z0-9]{1,5}") {
            if let Some(suggestion) = Quantity::parse(&text).err().and_then(|error| error.suggestion()) {
                for part in suggestion.split(" or ") {
                    prop_assert!(Quantity::parse(part).is_ok(), "{} for {}", part, text);
                }
            }
        }
    }
}
