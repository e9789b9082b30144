//! `disruption-budget`.

use crate::intent::complaint::{Complaint, nearest, quote};
use crate::intent::{DisruptionBudget, IntOrPercent, syntax};

/// `none`, `max-unavailable=1` or `min-available=50%`.
pub(crate) fn parse(text: &str) -> Result<DisruptionBudget, Complaint> {
    if text == "none" {
        return Ok(DisruptionBudget::None);
    }
    syntax::not_none(text)?;
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let (name, value) = (name.trim(), value.trim());
    match name {
        "max-unavailable" => match count(value)? {
            IntOrPercent::Int(0) | IntOrPercent::Percent(0) => Err(blocks(text)),
            count => Ok(DisruptionBudget::MaxUnavailable(count)),
        },
        "min-available" => match count(value)? {
            IntOrPercent::Percent(100) => Err(blocks(text)),
            count => Ok(DisruptionBudget::MinAvailable(count)),
        },
        _ => {
            let hint = nearest(name, ["max-unavailable", "min-available"]);
            Err(Complaint::invalid(format!("{} is no budget", quote(text)))
                .maybe(hint.map(|hint| format!("did you mean `{hint}=`?"))))
        }
    }
}

fn blocks(text: &str) -> Complaint {
    Complaint::invalid(format!("{} would block every drain of a node", quote(text)))
        .remedy("allow at least one pod to be away, for example `max-unavailable=1`")
}

fn count(text: &str) -> Result<IntOrPercent, Complaint> {
    let (digits, percent) = match text.strip_suffix('%') {
        Some(digits) => (digits.trim_end(), true),
        None => (text, false),
    };
    let number =
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u32>().ok()).flatten();
    match number {
        Some(part) if percent && part <= 100 => Ok(IntOrPercent::Percent(part)),
        // The API keeps counts as signed 32 bits.
        Some(number) if !percent && i32::try_from(number).is_ok() => Ok(IntOrPercent::Int(number)),
        _ => {
            Err(Complaint::invalid(format!("{} is neither a count nor a percentage up to 100%", quote(text))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::testing::{bad, good};

    #[test]
    fn budgets() {
        assert_eq!(parse("none"), Ok(DisruptionBudget::None));
        assert_eq!(
            parse("max-unavailable = 25%"),
            Ok(DisruptionBudget::MaxUnavailable(IntOrPercent::Percent(25)))
        );
        assert_eq!(parse("min-available=2"), Ok(DisruptionBudget::MinAvailable(IntOrPercent::Int(2))));
        good("disruption-budget", &["none", "max-unavailable=100%", "min-available = 0"]);
    }

    #[test]
    fn budgets_refused() {
        const WRITE: &str = "write max-unavailable=N or min-available=N, a count or a percentage, or `none`, for \
                             example `max-unavailable=1`";
        const ALLOW: &str = "allow at least one pod to be away, for example `max-unavailable=1`";
        bad(
            "disruption-budget",
            &[
                (
                    "max-unavailable=0",
                    &format!("\"max-unavailable=0\" would block every drain of a node; {ALLOW}"),
                ),
                (
                    "max-unavailable=0%",
                    &format!("\"max-unavailable=0%\" would block every drain of a node; {ALLOW}"),
                ),
                (
                    "min-available=100%",
                    &format!("\"min-available=100%\" would block every drain of a node; {ALLOW}"),
                ),
                ("maxUnavailable=1", "\"maxUnavailable=1\" is no budget; did you mean `max-unavailable=`?"),
                ("1", &format!("\"1\" is no budget; {WRITE}")),
                (
                    "min-available=101%",
                    &format!("\"101%\" is neither a count nor a percentage up to 100%; {WRITE}"),
                ),
                (
                    "min-available=-1",
                    &format!("\"-1\" is neither a count nor a percentage up to 100%; {WRITE}"),
                ),
            ],
        );
    }
}
