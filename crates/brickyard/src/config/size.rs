//! Amounts of memory as people write them: `512MiB`, `2GiB`.

/// Text that is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a size such as 512MiB or 2GiB is needed (units: MiB, GiB)")]
pub(super) struct NotASize;

/// Reads a whole number with its unit: no sign, no fraction, no space.
pub(super) fn parse(text: &str) -> Result<u64, NotASize> {
    let (digits, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let shift = match unit {
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(NotASize),
    };
    let number: u64 = digits.parse().map_err(|_| NotASize)?;
    number.checked_mul(1 << shift).ok_or(NotASize)
}

/// Such text for a size in whole MiB.
pub(super) fn show(bytes: u64) -> String {
    if bytes.is_multiple_of(1 << 30) { format!("{}GiB", bytes >> 30) } else { format!("{}MiB", bytes >> 20) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_with_its_unit_and_nothing_else() {
        for (text, size) in [("64MiB", 64 << 20), ("2GiB", 2 << 30), ("0MiB", 0)] {
            assert_eq!(parse(text), Ok(size), "{text}");
        }
        for text in [
            "",
            "5",
            "MiB",
            "1.5GiB",
            "1 GiB",
            "-1GiB",
            "1GB",
            "1gib",
            "99999999999999999999GiB",
            "17179869184GiB",
        ] {
            assert_eq!(parse(text), Err(NotASize), "{text}");
        }
        assert_eq!((show(1 << 30).as_str(), show(1536 << 20).as_str()), ("1GiB", "1536MiB"));
    }
}
