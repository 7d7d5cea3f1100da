//! Texts that have broken programs: each class a few times, written here.

/// The texts.
pub const NAUGHTY: &[&str] = &[
    // Nothing, and what some programs take for nothing.
    "", " ", "undefined", "null", "None", "nil", "(null)", "NaN", "true", "false", "0", "-1", "1e999", "-Infinity", "\\N", "hasOwnProperty",
    "__proto__", "constructor", "toString", "then",
    // Punctuation that means something somewhere.
    "'", "\"", "''", "\"\"", "`", "\\", "\\\\", "/", "//", "<>?:\"{}|_+", "!@#$%^&*()", ",./;'[]\\-=", "--", ";", "#", "%", "%%", "&amp;",
    // SQL, shells, templates, formats, expressions.
    "1;DROP TABLE users", "1'; DROP TABLE users-- 1", "' OR 1=1 -- 1", "' OR '1'='1", "$(touch /tmp/x)", "`touch /tmp/x`", "| ls", "; ls",
    "&& ls", "$HOME", "${HOME}", "%PATH%", "{{7*7}}", "{% debug %}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{0}", "{}", "{self}", "%s%s%s%n",
    "%d", "${jndi:ldap://127.0.0.1/a}", "__import__('os').system('true')", "System.exit(1)", "require('child_process')",
    "{{secrets/travel/weather-token}}", "{{ secrets/travel/weather-token }}", "{{secrets/a/b}}{{secrets/c/d}}",
    // Markup.
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "javascript:alert(1)", "<!--", "]]>", "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>",
    // Paths.
    "../../../etc/passwd", "..\\..\\windows", "/dev/null", "file:///etc/passwd", "C:\\nul", "CON", "~root", "a/../b", "%2e%2e%2f", ".", "..",
    // Lines, controls, terminals.
    "a\nb", "a\r\nb", "a\tb", "\r\nSet-Cookie: x=y", "\u{1b}[31mred\u{1b}[0m", "\u{7}", "\u{8}", "\u{0}", "a\u{0}b", "\u{7f}", "\u{85}", "\u{9b}1m",
    "data: injected\n\n", "data: [DONE]", "event: error\ndata: {}",
    // Unicode: widths, directions, marks, joiners, astral planes, non-characters, normal forms.
    "\u{3bd}\u{3b1}", "\u{7530}\u{4e2d}\u{3055}\u{3093}", "\u{645}\u{631}\u{62d}\u{628}\u{627}", "\u{5e9}\u{5dc}\u{5d5}\u{5dd}", "\u{202e}drawkcab",
    "\u{2066}isolated\u{2069}", "\u{200b}\u{200c}\u{200d}\u{2060}", "\u{feff}", "\u{ad}", "\u{a0}", "\u{3000}", "\u{2028}\u{2029}", "e\u{301}", "\u{e9}",
    "Z\u{351}\u{36b}\u{343}\u{36a}\u{302}", "\u{1f600}", "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}", "\u{1f1e9}\u{1f1ea}", "\u{1d54f}", "\u{fffd}", "\u{fffe}", "\u{10ffff}",
    "\u{fb03}", "\u{130}\u{131}", "\u{df}\u{1e9e}", "\u{ff41}\u{ff4e}\u{ff41}", "\u{430}\u{43d}\u{430}", "\u{fdfd}", "\u{12031}", "\u{e0001}\u{e0020}",
    // Numbers and dates that parsers grow fond of.
    "0x10", "1_000", "1,000.00", "1/0", "00012", "9223372036854775808", "2147483648", "1E02", "12:30", "1979-05-27", "0b1", "\u{661}\u{662}", "\u{bd}",
    // Long ones are made where they are used. Credentials' shapes:
    "dapi00000000000000000000000000000000", "Bearer eyJhbGciOiJub25lIn0.e30.", "-----BEGIN PRIVATE KEY-----", "AKIAIOSFODNN7EXAMPLE",
];
