//! Numbers.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;

use super::{Given, Made, Takes, always, wrong};

/// A function of one number.
macro_rules! real {
    ($name:literal, $of:expr) => {
        Made {
            name: $name,
            takes: &[Takes::Real],
            least: 1,
            more: false,
            returns: always!(DataType::Float64),
            body: |given| Ok(reals(given, $of)),
        }
    };
}

pub(super) const ALL: &[Made] = &[
    // What has no logarithm has NULL.
    real!("ln", |x| (x > 0.0).then(|| x.ln())),
    real!("log10", |x| (x > 0.0).then(|| x.log10())),
    real!("log2", |x| (x > 0.0).then(|| x.log2())),
    real!("log1p", |x| (x > -1.0).then(|| x.ln_1p())),
    real!("sqrt", |x| Some(x.sqrt())),
    real!("rint", |x| Some(x.round_ties_even())),
    Made {
        name: "log",
        takes: &[Takes::Real, Takes::Real],
        least: 1,
        more: false,
        returns: always!(DataType::Float64),
        body: |given| {
            if !given.has(1) {
                return Ok(reals(given, |x| (x > 0.0).then(|| x.ln())));
            }
            let logarithms = (0..given.rows).map(|row| {
                let (base, of) = (given.real_of(0, row)?, given.real_of(1, row)?);
                (base > 0.0 && of > 0.0).then(|| of.ln() / base.ln())
            });
            Ok(Arc::new(logarithms.collect::<Float64Array>()))
        },
    },
    Made::new("isnan", &[Takes::Real], always!(DataType::Boolean), |given| {
        let is = given.real(0).iter().map(|x| Some(x.is_some_and(f64::is_nan)));
        Ok(Arc::new(is.collect::<BooleanArray>()))
    }),
    Made::new("conv", &[Takes::Text, Takes::Whole, Takes::Whole], always!(DataType::Utf8), |given| {
        let mut out = Vec::with_capacity(given.rows);
        for row in 0..given.rows {
            let asked = (given.text_of(0, row), given.whole_of(1, row), given.whole_of(2, row));
            out.push(match asked {
                (Some(text), Some(from), Some(to)) => in_base(text, from, to)?,
                _ => None,
            });
        }
        Ok(Arc::new(StringArray::from(out)))
    }),
];

fn reals(given: &Given<'_>, of: impl Fn(f64) -> Option<f64>) -> ArrayRef {
    Arc::new(given.real(0).iter().map(|x| x.and_then(&of)).collect::<Float64Array>())
}

/// A whole number of one base in another. A negative base asks for a sign.
fn in_base(text: &str, from: i64, to: i64) -> Result<Option<String>> {
    let (Ok(base), target) = (u32::try_from(from), to.unsigned_abs()) else {
        return Ok(None);
    };
    if !(2..=36).contains(&base) || !(2..=36).contains(&target) {
        return Ok(None);
    }
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let mut value: u64 = 0;
    for digit in digits.chars().map_while(|digit| digit.to_digit(base)) {
        let Some(more) = value.checked_mul(base.into()).and_then(|more| more.checked_add(digit.into()))
        else {
            return wrong(format!("conv: {text} does not fit into 64 bits"));
        };
        value = more;
    }
    let signed = to < 0;
    let (sign, mut value) = match (negative, signed) {
        (true, true) => ("-", value),
        (true, false) => ("", value.wrapping_neg()),
        (false, _) => ("", value),
    };
    let mut out = Vec::new();
    loop {
        let digit = u32::try_from(value % target).unwrap_or(0);
        out.push(char::from_digit(digit, 36).unwrap_or('0').to_ascii_uppercase());
        value /= target;
        if value == 0 {
            break;
        }
    }
    Ok(Some(sign.chars().chain(out.into_iter().rev()).collect()))
}

/// A number's text without an exponent.
pub(super) fn plain(number: &str) -> String {
    if !number.contains(['e', 'E']) {
        return number.to_owned();
    }
    // Rust writes a number without an exponent, and with the fewest digits that are it.
    number.parse::<f64>().map_or_else(|_| number.to_owned(), |number| format!("{number}"))
}

/// A plain number's text to so many decimal places; what is halfway goes away from zero, or to the even neighbour.
pub(super) fn rounded(number: &str, places: i64, even: bool) -> String {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|digit| digit - b'0').collect();
    // How many digits stay.
    let kept = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(places);
    let Ok(kept) = usize::try_from(kept) else { return "0".to_owned() };
    let mut out: Vec<u8> = all.iter().copied().take(kept).collect();
    out.resize(kept.max(out.len()).min(kept), 0);
    let rest = all.get(kept..).unwrap_or_default();
    let up = match rest.first() {
        None => false,
        Some(5) if even && rest[1..].iter().all(|digit| *digit == 0) => {
            out.last().is_some_and(|last| last % 2 == 1)
        }
        Some(first) => *first >= 5,
    };
    if up {
        let mut at = out.len();
        loop {
            if at == 0 {
                out.insert(0, 1);
                break;
            }
            at -= 1;
            if out[at] < 9 {
                out[at] += 1;
                break;
            }
            out[at] = 0;
        }
    }
    // The digits that are before the point, zeros for those that went.
    let fraction = usize::try_from(places).unwrap_or(0);
    let whole_digits = out.len().saturating_sub(fraction);
    let mut text = String::with_capacity(out.len() + 2);
    if whole_digits == 0 {
        text.push('0');
    }
    for (at, digit) in out.iter().enumerate() {
        if at == whole_digits && fraction > 0 {
            text.push('.');
        }
        text.push(char::from(b'0' + digit));
    }
    if places < 0 && !out.is_empty() {
        text.extend(std::iter::repeat_n('0', usize::try_from(-places).unwrap_or(0)));
    }
    let zero = text.bytes().all(|digit| matches!(digit, b'0' | b'.'));
    if zero { text } else { format!("{sign}{text}") }
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn a_number_is_rounded_as_it_is_written() {
        for (number, places, even, expected) in [
            ("1.005", 2, false, "1.01"),
            ("2.5", 0, false, "3"),
            ("2.5", 0, true, "2"),
            ("3.5", 0, true, "4"),
            ("-2.5", 0, false, "-3"),
            ("1234.5", -2, false, "1200"),
            ("9.99", 1, false, "10.0"),
            ("0.04", 1, false, "0.0"),
            ("50", -2, false, "100"),
            ("5", -3, false, "0"),
            ("1.2", 3, false, "1.200"),
        ] {
            assert_eq!(rounded(number, places, even), expected, "{number} to {places}");
        }
    }
}
