//! Texts.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int32Array, ListBuilder, StringArray, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::error::{DataFusionError, Result};
use regex::Regex;

use super::{Given, Made, Takes, always, wrong};

pub(super) const ALL: &[Made] = &[
    Made::new("initcap", &[Takes::Text], always!(DataType::Utf8), |given| {
        Ok(texts(given, |row| given.text_of(0, row).map(capitals)))
    }),
    Made::new("left", &[Takes::Text, Takes::Whole], always!(DataType::Utf8), |given| {
        Ok(texts(given, |row| {
            let (text, count) = (given.text_of(0, row)?, given.whole_of(1, row)?);
            Some(text.chars().take(usize::try_from(count).unwrap_or(0)).collect())
        }))
    }),
    Made::new("right", &[Takes::Text, Takes::Whole], always!(DataType::Utf8), |given| {
        Ok(texts(given, |row| {
            let (text, count) = (given.text_of(0, row)?, given.whole_of(1, row)?);
            let skipped = text.chars().count().saturating_sub(usize::try_from(count).unwrap_or(0));
            Some(text.chars().skip(skipped).collect())
        }))
    }),
    Made::new("strpos_from", &[Takes::Text, Takes::Text, Takes::Whole], always!(DataType::Int32), |given| {
        let found = (0..given.rows).map(|row| {
            let (what, within) = (given.text_of(0, row)?, given.text_of(1, row)?);
            Some(place_from(what, within, given.whole_of(2, row).unwrap_or(0)))
        });
        Ok(Arc::new(found.collect::<Int32Array>()))
    }),
    Made {
        name: "regexp_extract_all",
        takes: &[Takes::Text, Takes::Text, Takes::Whole],
        least: 2,
        more: false,
        returns: list_of_texts,
        body: |given| {
            lists(given, |row, patterns| {
                let (Some(text), Some(pattern)) = (given.text_of(0, row), given.text_of(1, row)) else {
                    return Ok(None);
                };
                let group = if given.has(2) { given.whole_of(2, row) } else { Some(1) };
                let Some(group) = group else { return Ok(None) };
                let pattern = patterns.compiled(pattern)?;
                let group = group_of(pattern, group)?;
                let found = pattern.captures_iter(text);
                let found = found.map(|found| found.get(group).map_or("", |found| found.as_str()).to_owned());
                Ok(Some(found.collect()))
            })
        },
    },
    Made::new("regexp_substr", &[Takes::Text, Takes::Text], always!(DataType::Utf8), |given| {
        let mut patterns = Patterns::default();
        let mut out = StringBuilder::new();
        for row in 0..given.rows {
            match (given.text_of(0, row), given.text_of(1, row)) {
                (Some(text), Some(pattern)) => {
                    let found = patterns.compiled(pattern)?.find(text);
                    out.append_option(found.map(|found| found.as_str()));
                }
                _ => out.append_null(),
            }
        }
        Ok(Arc::new(out.finish()))
    }),
    Made {
        name: "split",
        takes: &[Takes::Text, Takes::Text, Takes::Whole],
        least: 2,
        more: false,
        returns: list_of_texts,
        body: |given| {
            lists(given, |row, patterns| {
                let (Some(text), Some(pattern)) = (given.text_of(0, row), given.text_of(1, row)) else {
                    return Ok(None);
                };
                let limit = if given.has(2) { given.whole_of(2, row) } else { Some(-1) };
                let Some(limit) = limit else { return Ok(None) };
                Ok(Some(pieces(text, patterns.compiled(pattern)?, limit)))
            })
        },
    },
    Made::new("format_number", &[Takes::Any, Takes::Whole], always!(DataType::Utf8), |given| {
        let numbers = datafusion::arrow::compute::cast(&given.columns[0], &DataType::Utf8)?;
        let numbers = Given { columns: vec![numbers], rows: given.rows, returns: given.returns };
        let exact = !given.columns[0].data_type().is_floating();
        let mut out = StringBuilder::new();
        for row in 0..given.rows {
            let places = given.whole_of(1, row).filter(|places| *places >= 0);
            let (Some(number), Some(places)) = (numbers.text_of(0, row), places) else {
                out.append_null();
                continue;
            };
            if places > 100 {
                return wrong("format_number with more than 100 decimal places");
            }
            out.append_value(grouped(number, usize::try_from(places).unwrap_or(0), exact));
        }
        Ok(Arc::new(out.finish()))
    }),
    Made {
        name: "mask",
        takes: &[Takes::Text, Takes::Text, Takes::Text, Takes::Text, Takes::Text],
        least: 1,
        more: false,
        returns: always!(DataType::Utf8),
        body: |given| {
            let with = |at: usize, row: usize, otherwise: char| {
                if !given.has(at) {
                    return if at == 4 { None } else { Some(otherwise) };
                }
                given.text_of(at, row).and_then(|text| text.chars().next())
            };
            Ok(texts(given, |row| {
                let (upper, lower) = (with(1, row, 'X'), with(2, row, 'x'));
                let (digit, other) = (with(3, row, 'n'), with(4, row, ' '));
                let masked = given.text_of(0, row)?.chars().map(|letter| {
                    let with = match letter {
                        letter if letter.is_uppercase() => upper,
                        letter if letter.is_lowercase() => lower,
                        letter if letter.is_ascii_digit() => digit,
                        _ => other,
                    };
                    with.unwrap_or(letter)
                });
                Some(masked.collect())
            }))
        },
    },
    Made::new("encode", &[Takes::Text, Takes::Text], always!(DataType::Binary), |given| {
        utf_8_only(given, 1)?;
        Ok(datafusion::arrow::compute::cast(&given.columns[0], &DataType::Binary)?)
    }),
    Made::new("decode", &[Takes::Any, Takes::Text], always!(DataType::Utf8), |given| {
        utf_8_only(given, 1)?;
        let bytes = datafusion::arrow::compute::cast(&given.columns[0], &DataType::Binary)?;
        Ok(datafusion::arrow::compute::cast(&bytes, &DataType::Utf8)?)
    }),
];

fn list_of_texts(_: &[DataType], _: &[Option<&datafusion::common::ScalarValue>]) -> Result<DataType> {
    Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))))
}

fn texts(given: &Given<'_>, of: impl Fn(usize) -> Option<String>) -> ArrayRef {
    Arc::new((0..given.rows).map(of).collect::<StringArray>())
}

fn lists(
    given: &Given<'_>,
    of: impl Fn(usize, &mut Patterns) -> Result<Option<Vec<String>>>,
) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..given.rows {
        match of(row, &mut patterns)? {
            Some(items) => {
                items.iter().for_each(|item| out.values().append_value(item));
                out.append(true);
            }
            None => out.append(false),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// The last pattern, compiled: most calls have one for all rows.
#[derive(Default)]
struct Patterns(Option<(String, Regex)>);

impl Patterns {
    fn compiled(&mut self, pattern: &str) -> Result<&Regex> {
        if self.0.as_ref().is_none_or(|(known, _)| known != pattern) {
            let compiled = Regex::new(pattern).map_err(|error| DataFusionError::External(Box::new(error)))?;
            self.0 = Some((pattern.to_owned(), compiled));
        }
        match &self.0 {
            Some((_, compiled)) => Ok(compiled),
            None => wrong("no pattern"),
        }
    }
}

fn group_of(pattern: &Regex, group: i64) -> Result<usize> {
    match usize::try_from(group) {
        Ok(group) if group < pattern.captures_len() => Ok(group),
        _ => wrong(format!(
            "The group index {group} is not between 0 and {}, the groups of the pattern",
            pattern.captures_len() - 1
        )),
    }
}

/// As `String.split` of Java. A pattern that matches nothing at the start makes no empty piece there.
fn pieces(text: &str, pattern: &Regex, limit: i64) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut from = 0;
    for found in pattern.find_iter(text) {
        if limit > 0 && i64::try_from(out.len() + 1).is_ok_and(|count| count >= limit) {
            break;
        }
        if found.end() == 0 || found.is_empty() && found.start() == text.len() {
            continue;
        }
        out.push(text[from..found.start()].to_owned());
        from = found.end();
    }
    out.push(text[from..].to_owned());
    out
}

fn capitals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut first = true;
    for letter in text.chars() {
        if first {
            out.extend(letter.to_uppercase());
        } else {
            out.extend(letter.to_lowercase());
        }
        first = letter == ' ';
    }
    out
}

fn place_from(what: &str, within: &str, from: i64) -> i32 {
    let Ok(from) = usize::try_from(from) else { return 0 };
    if from == 0 {
        return 0;
    }
    let skipped: usize = within.chars().take(from - 1).map(char::len_utf8).sum();
    match within.get(skipped..).and_then(|rest| rest.find(what)) {
        Some(at) => i32::try_from(within[..skipped + at].chars().count() + 1).unwrap_or(i32::MAX),
        None => 0,
    }
}

/// `1234567.891` as `1,234,567.89`. What is halfway goes to the even neighbour, as `DecimalFormat` does.
fn grouped(number: &str, places: usize, _exact: bool) -> String {
    if number.contains(['n', 'N']) {
        return number.replace("inf", "∞");
    }
    let plain = super::numbers::plain(number);
    let rounded = super::numbers::rounded(&plain, i64::try_from(places).unwrap_or(0), true);
    let (sign, digits) = match rounded.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", rounded.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut out = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if places > 0 {
        // Writing to a string does not fail.
        let _ = write!(out, ".{fraction:0<places$}");
    }
    out
}

fn utf_8_only(given: &Given<'_>, at: usize) -> Result<()> {
    for row in 0..given.rows {
        if let Some(name) = given.text_of(at, row)
            && !name.eq_ignore_ascii_case("utf-8")
        {
            return wrong(format!("brickyard does not support the character set {name}, only UTF-8"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_as_java_splits_it() {
        let of = |text, pattern, limit| pieces(text, &Regex::new(pattern).unwrap(), limit).join("|");
        for (text, pattern, limit, expected) in [
            ("a1b2c3", "[0-9]", -1, "a|b|c|"),
            ("a,b,c", ",", 2, "a|b,c"),
            ("abc", "", -1, "a|b|c"),
            (",a", ",", -1, "|a"),
            ("", ",", -1, ""),
        ] {
            assert_eq!(of(text, pattern, limit), expected, "{text} by {pattern}");
        }
    }

    #[test]
    fn a_number_is_written_in_groups() {
        for (number, places, expected) in [
            ("1234567.891", 2, "1,234,567.89"),
            ("0.5", 0, "0"),
            ("1.5", 0, "2"),
            ("-1234.5", 1, "-1,234.5"),
            ("12", 2, "12.00"),
            ("123456", 0, "123,456"),
        ] {
            assert_eq!(grouped(number, places, true), expected, "{number}");
        }
    }
}
