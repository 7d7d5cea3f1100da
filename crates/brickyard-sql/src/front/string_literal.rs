//! What a string literal says: Spark's escapes.
//!
//! Source: Databricks' SQL language manual, "STRING type" (literals), and Spark's `unescapeSQLString`.

/// The length of the literal at the start of the text, with both quotes. `None`: it does not end.
pub(super) fn length(text: &str, quote: char) -> Option<usize> {
    let quote = u8::try_from(quote).ok()?;
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        match *bytes.get(at)? {
            b'\\' => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// The value of what stands between the quotes.
pub(super) fn value(inside: &str, quote: char) -> String {
    let mut value = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find(['\\', quote]) {
        value.push_str(&rest[..at]);
        let special = &rest[at..];
        // Inside a literal a quote stands twice.
        let used = match special.strip_prefix('\\') {
            Some(escaped) => escape(escaped, &mut value) + 1,
            None => {
                value.push(quote);
                2
            }
        };
        rest = special.get(used..).unwrap_or_default();
    }
    value.push_str(rest);
    value
}

/// Writes the character behind a backslash, and says how many bytes it took.
fn escape(text: &str, value: &mut String) -> usize {
    let Some(first) = text.chars().next() else {
        value.push('\\');
        return 0;
    };
    let plain = match first {
        '0'..='1' if octal(text).is_some() => {
            value.extend(octal(text));
            return 3;
        }
        'u' => return unicode(text, value),
        'U' => match hex(text, 8).and_then(char::from_u32) {
            Some(character) => {
                value.push(character);
                return 9;
            }
            None => 'U',
        },
        // Patterns of LIKE keep their backslash.
        '%' | '_' => {
            value.push('\\');
            first
        }
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        '0' => '\0',
        'Z' => '\u{1a}',
        other => other,
    };
    value.push(plain);
    first.len_utf8()
}

/// `101` of `\101`.
fn octal(text: &str) -> Option<char> {
    let digits = text.get(..3).filter(|digits| digits.bytes().all(|digit| matches!(digit, b'0'..=b'7')))?;
    char::from_u32(u32::from_str_radix(digits, 8).ok()?)
}

/// The number that `count` hexadecimal digits behind the first character write.
fn hex(text: &str, count: usize) -> Option<u32> {
    let digits =
        text.get(1..=count).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

/// `u0041` of `\u0041`; two of them where Java needs two.
fn unicode(text: &str, value: &mut String) -> usize {
    let Some(unit) = hex(text, 4) else {
        value.push('u');
        return 1;
    };
    if let Some(character) = char::from_u32(unit) {
        value.push(character);
        return 5;
    }
    let low = text.get(5..).and_then(|rest| rest.strip_prefix('\\')).filter(|rest| rest.starts_with('u'));
    let pair = low.and_then(|rest| hex(rest, 4)).filter(|low| (0xDC00..0xE000).contains(low));
    match pair.filter(|_| unit < 0xDC00) {
        Some(low) => {
            value.extend(char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)));
            11
        }
        None => {
            value.push(char::REPLACEMENT_CHARACTER);
            5
        }
    }
}
