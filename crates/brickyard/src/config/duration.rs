//! Durations as people write them: `1h`, `30m`, `90s`, `1h30m`.

use jiff::SignedDuration;

/// Text that is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a duration such as 1h, 30m, 90s or 1h30m is needed (units: d, h, m, s, ms)")]
pub struct NotADuration;

/// More than this is a slip of the hand, and far from any overflow.
const LONGEST: i64 = 100 * 365 * 24 * 3600 * 1000;

/// Reads whole numbers with their units, largest first: no sign, no fraction, no space.
///
/// # Errors
/// If the text has another form, or means more than a hundred years.
pub fn parse(text: &str) -> Result<SignedDuration, NotADuration> {
    const UNITS: [(&str, i64); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let (mut rest, mut total, mut next_unit) = (text, 0_i64, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, tail) = tail.split_at(letters);
        let index = (UNITS.iter().position(|(name, _)| *name == unit))
            .filter(|index| *index >= next_unit)
            .ok_or(NotADuration)?;
        let part = number
            .parse::<i64>()
            .ok()
            .and_then(|number| number.checked_mul(UNITS[index].1))
            .ok_or(NotADuration)?;
        total = total.checked_add(part).filter(|total| *total <= LONGEST).ok_or(NotADuration)?;
        (rest, next_unit) = (tail, index + 1);
    }
    if text.is_empty() { Err(NotADuration) } else { Ok(SignedDuration::from_millis(total)) }
}

/// The shortest such text for a duration from 0 on.
pub fn show(duration: SignedDuration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(0);
    let mut text = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if left >= size {
            text.push_str(&format!("{}{unit}", left / size));
            left %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_numbers_with_units_and_nothing_else() {
        for (text, millis) in [
            ("1h", 3_600_000),
            ("30m", 1_800_000),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("0s", 0),
            ("5ms", 5),
        ] {
            assert_eq!(parse(text), Ok(SignedDuration::from_millis(millis)), "{text}");
        }
        for bad in [
            "",
            "1",
            "h",
            "-1h",
            "1.5h",
            "1 h",
            "1H",
            "30m1h",
            "1h1h",
            "99999999999999999999s",
            "9999999d",
            "1h ",
            "\u{661}h",
        ] {
            assert_eq!(parse(bad), Err(NotADuration), "{bad:?}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for text in ["1h", "10m", "1d", "1h30m", "90s", "0s"] {
            assert_eq!(parse(&show(parse(text).expect("good"))), parse(text));
        }
    }
}
