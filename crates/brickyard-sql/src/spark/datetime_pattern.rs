//! Spark's datetime patterns (`yyyy-MM-dd`) in the words of DataFusion's functions (`%Y-%m-%d`).
//!
//! Source: "Datetime patterns" in Databricks' SQL language manual.

/// The same pattern, or the letters that have no counterpart.
pub(super) fn translated(pattern: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter == '\'' {
            quoted(&mut rest, &mut out);
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            literal(letter, &mut out);
            continue;
        }
        let mut count = 1;
        while rest.next_if_eq(&letter).is_some() {
            count += 1;
        }
        out.push_str(match (letter, count) {
            ('y' | 'u', 1 | 4) => "%Y",
            ('y' | 'u', 2) => "%y",
            ('M' | 'L', 1) => "%-m",
            ('M' | 'L', 2) => "%m",
            ('M' | 'L', 3) => "%b",
            ('M' | 'L', 4) => "%B",
            ('d', 1) => "%-d",
            ('d', 2) => "%d",
            ('D', 1) => "%-j",
            ('D', 3) => "%j",
            ('E', 1..=3) => "%a",
            ('E', 4) => "%A",
            ('H', 1) => "%-H",
            ('H', 2) => "%H",
            ('h', 1) => "%-I",
            ('h', 2) => "%I",
            ('a', 1) => "%p",
            ('m', 1) => "%-M",
            ('m', 2) => "%M",
            ('s', 1) => "%-S",
            ('s', 2) => "%S",
            ('S', 3) => "%3f",
            ('S', 6) => "%6f",
            ('S', 9) => "%9f",
            ('X', 3) | ('x', 3) => "%:z",
            _ => return Err(letter.to_string().repeat(count)),
        });
    }
    Ok(out)
}

fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    if rest.next_if_eq(&'\'').is_some() {
        out.push('\'');
        return;
    }
    while let Some(letter) = rest.next() {
        if letter != '\'' {
            literal(letter, out);
        } else if rest.next_if_eq(&'\'').is_some() {
            out.push('\'');
        } else {
            return;
        }
    }
}

fn literal(letter: char, out: &mut String) {
    out.push(letter);
    if letter == '%' {
        out.push('%');
    }
}

#[cfg(test)]
mod tests {
    use super::translated;

    #[test]
    fn a_pattern_keeps_its_meaning_or_is_refused() {
        for (spark, here) in [
            ("yyyy-MM-dd HH:mm:ss", Ok("%Y-%m-%d %H:%M:%S")),
            ("MMM d, yyyy", Ok("%b %-d, %Y")),
            ("yyyy-MM-dd'T'HH:mm", Ok("%Y-%m-%dT%H:%M")),
            ("100% 'o''clock'", Ok("100%% o'clock")),
            ("QQQ yyyy", Err("QQQ")),
        ] {
            assert_eq!(translated(spark), here.map(str::to_owned).map_err(str::to_owned), "{spark}");
        }
    }
}
