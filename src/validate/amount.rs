//! Quantities, as far as checks need them: which of two is more, and whether one is a whole number.

/// A quantity in billionths, the finest that Kubernetes keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Amount(i128);

const NANO: i128 = 1_000_000_000;

/// Decimal places that are looked at; of a gibibyte, this is down to single bytes.
const PLACES: usize = 9;
const EXPONENT_OF_PLACES: i32 = -9;

/// Suffixes and what they multiply by, in billionths.
const SUFFIXES: [(&str, i128); 16] = [
    ("", NANO),
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("k", 1_000 * NANO),
    ("M", 1_000_000 * NANO),
    ("G", 1_000_000_000 * NANO),
    ("T", 1_000_000_000_000 * NANO),
    ("P", 1_000_000_000_000_000 * NANO),
    ("E", 1_000_000_000_000_000_000 * NANO),
    ("Ki", (1 << 10) * NANO),
    ("Mi", (1 << 20) * NANO),
    ("Gi", (1 << 30) * NANO),
    ("Ti", (1 << 40) * NANO),
    ("Pi", (1 << 50) * NANO),
    ("Ei", (1 << 60) * NANO),
];

impl Amount {
    /// Nothing.
    pub(super) const ZERO: Self = Self(0);

    /// Reads `1.5`, `500m`, `20Gi`, `1e3`; `None` for what is no quantity. More than anyone has
    /// counts as very much.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (digits, suffix) = text.split_at(end);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return None;
        }
        let (multiplier, exponent) = scale(suffix)?;
        let amount = multiply(whole, fraction, multiplier, exponent);
        Some(Self(if negative { -amount } else { amount }))
    }

    /// Whether it is a whole number.
    pub(super) fn is_whole(self) -> bool {
        self.0 % NANO == 0
    }
}

/// What a suffix multiplies by: billionths, and a power of ten.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    if let Some((_, multiplier)) = SUFFIXES.iter().find(|(known, _)| *known == suffix) {
        return Some((*multiplier, 0));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let beyond = if exponent.starts_with('-') { i32::MIN } else { i32::MAX };
    plain.then(|| (NANO, exponent.parse().unwrap_or(beyond)))
}

/// `whole.fraction` times `multiplier` times ten to the `exponent`, at most [`i128::MAX`]; what is
/// too fine is rounded up.
fn multiply(whole: &str, fraction: &str, multiplier: i128, exponent: i32) -> i128 {
    let (fraction, rest) = fraction.split_at_checked(PLACES).unwrap_or((fraction, ""));
    let digits = format!("{whole}{fraction:0<PLACES$}");
    let more = i128::from(rest.bytes().any(|b| b != b'0'));
    let product =
        digits.parse::<i128>().ok().and_then(|digits| digits.saturating_add(more).checked_mul(multiplier));
    let Some(product) = product else {
        return i128::MAX;
    };
    let shift = exponent.saturating_add(EXPONENT_OF_PLACES);
    let power = 10_i128.checked_pow(shift.unsigned_abs()).unwrap_or(i128::MAX);
    if shift < 0 { product / power + i128::from(product % power != 0) } else { product.saturating_mul(power) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap()
    }

    #[test]
    fn one_amount_has_many_spellings() {
        assert_eq!(amount("1"), amount("1000m"));
        assert_eq!(amount("1.5"), amount("1500m"));
        assert_eq!(amount("1e3"), amount("1k"));
        assert_eq!(amount("1E-3"), amount("1m"));
        assert_eq!(amount("1Gi"), amount("1073741824"));
        assert_eq!(amount("0.5Gi"), amount("512Mi"));
        assert_eq!(amount("+.5"), amount("500m"));
        assert_eq!(amount("5."), amount("5"));
        assert_eq!(amount("-0"), Amount::ZERO);
    }

    #[test]
    fn they_compare() {
        assert!(amount("1G") < amount("1Gi"));
        assert!(amount("-1") < Amount::ZERO);
        assert!(amount("9999999999999999999999999999999999999999E") > amount("8Ei"));
        assert!(amount("1e999999999999") > amount("8Ei"));
        assert!(amount("1e-99999999999") < amount("8Ei"));
        assert_eq!(amount("0e99999999999"), Amount::ZERO);
        assert_eq!(amount("1.000000000000000000000000000000000000000000000000"), amount("1"));
        assert!(amount("1.3333333333333333333333333333333333333Gi") < amount("1366Mi"));
        assert!(amount("0.00000000000000000000000000000000000000000000001") > Amount::ZERO);
    }

    #[test]
    fn what_is_none_is_told() {
        for text in
            ["", "-", ".", "Gi", "1 Gi", "1gb", "1GB", "1.2.3", "1e", "1e+", "1ee3", "--1", "1m5", "é"]
        {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
    }

    #[test]
    fn fractions_are_told() {
        assert!(amount("512Mi").is_whole());
        assert!(!amount("512m").is_whole());
    }
}
