//! JSON texts, made here: those that no reader may take, those that every reader must, and those that readers differ on.

/// No JSON. (RFC 8259; the classes of the well-known parsing test suite, written anew.)
pub fn never() -> Vec<(String, Vec<u8>)> {
    let mut texts: Vec<Vec<u8>> = Vec::new();
    let mut add = |text: &[u8]| texts.push(text.to_vec());
    // Arrays and objects that do not end, begin, or separate.
    for text in [
        "", " ", "\n", "[", "]", "{", "}", "[}", "{]", "[1", "[1,", "[,", "[,1]", "[1,]", "[1,,2]", "[,]", "[1 2]", "[1;2]",
        "[1:2]", "[\"a\"", "[\"a\",", "[\"\":1]", "[3[4]]", "[1]x", "[1]]", "[1],", "[1][2]", "x[1]", "[[1]", "[1\n,1\n,1",
        "[\"a\" \"b\"]", "[a", "[\"\x0ba\"]", "[\x0c]", "[*]", "[-]", "[-, 1]", "{\"a\"", "{\"a\":", "{\"a\" 1}", "{\"a\":1", "{\"a\":1,",
        "{\"a\":1,}", "{,}", "{:1}", "{\"a\":1 \"b\":2}", "{\"a\"::1}", "{\"a\",1}", "{a:1}", "{1:1}", "{null:null}", "{'a':1}",
        "{\"a\":1}}", "{\"a\":1}x", "{\"a\":1},", "{\"a\":1}#", "{\"a\":1}/**/", "{\"a\":/*x*/1}", "{\"a\":1}//x", "#{\"a\":1}",
        "/*x*/{\"a\":1}", "{\"a\":\"b\"}\"", "{\"a\":\"b\",,}", "{\"a\":truth}", "{\"a\":a}", "{\"a\":[}", "{\"a\" b}", "{\"a\":1,\"b\"}",
        "{\"a\":1,\"b\":}", "{\"a\":{\"b\":1}", "{(\"a\"):1}", "{\"a\";1}", "{\"a\"=1}", "<a/>", "<null>", "(1)", "{{\"a\":1}}", "{[1]:1}",
    ] {
        add(text.as_bytes());
    }
    // Literals.
    for text in [
        "tru", "fals", "nul", "True", "TRUE", "False", "None", "NULL", "nulll", "truefalse", "true false", "undefined", "NaN", "nan",
        "-NaN", "+NaN", "Infinity", "-Infinity", "inf", "-inf", "1#INF", "[NaN]", "[Infinity]", "[-Infinity]", "[undefined]", "[tru]",
    ] {
        add(text.as_bytes());
    }
    // Numbers.
    for text in [
        "01", "-01", "00", "-00", "+1", "++1", "--1", "-", "+", ".", ".5", "-.5", "1.", "-1.", "1.e1", "0.e1", "1e", "1e+", "1e-", "1E",
        "1eE2", "1ee2", "1e2.5", "1.2.3", "1.2e", "0x10", "0X1", "0b1", "0o7", "0xg", "1_000", "1,000", "1 000", "1a", "-a", "1.5x", "0e",
        "0e+", "0E-", "1/2", "\u{ff11}", "\u{b2}", "\u{661}", "1f", "1L", "1n", "$1", "1%", "- 1", "1- 1", "0..1", "2.e3", "[1.]", "[.1]",
        "[01]", "[+1]", "[0x1]", "[1e]", "[-]", "[1eE2]",
    ] {
        add(text.as_bytes());
    }
    // Strings.
    for text in [
        "\"", "\"a", "a\"", "'a'", "`a`", "\"\\\"", "\"\\", "\"\\x41\"", "\"\\a\"", "\"\\v\"", "\"\\0\"", "\"\\'\"", "\"\\e\"", "\"\\u\"",
        "\"\\u0\"", "\"\\u00\"", "\"\\u004\"", "\"\\u00g1\"", "\"\\U0041\"", "\"\\u{41}\"", "\"\\\u{e4}\"", "\"\\ \"", "\"\n\"", "\"\r\"",
        "\"\t\"", "\"\u{0}\"", "\"\u{1}\"", "\"\u{1f}\"", "\"a\" \"b\"", "\"a\"x", "abc", "\u{e4}", "\u{201c}a\u{201d}", "[\"\n\"]",
        "[\"\t\"]", "[\"\u{0}\"]", "[\"\\x00\"]", "[\"\\u00A\"]", "[\"\\", "[\"a", "[\"\\\"]", "{\"\n\":1}", "{\"a\":\"\\", "@", "\\u0041",
    ] {
        add(text.as_bytes());
    }
    // White space that JSON does not have, byte order marks, other encodings.
    for text in [
        "\u{feff}{}", "\u{a0}{}", "{}\u{a0}", "\u{2028}{}", "\u{200b}{}", "\u{2060}[]", "\x0b{}", "\x0c{}", "{}\x0c", "\x08{}", "[\u{a0}]",
        "\u{85}{}", "\u{feff}", "{}\u{0}", "\u{0}{}", "[1\u{0}]", "{}\u{1a}", "&{}",
    ] {
        add(text.as_bytes());
    }
    for bytes in [
        &b"\xff"[..], b"\xfe\xff", b"\xff\xfe{\0}\0", b"\0{\0}", b"\xef\xbb{}", b"[\"\xff\"]", b"[\"\xc0\xaf\"]", b"[\"\xe0\x80\xaf\"]",
        b"[\"\xed\xa0\x80\"]", b"[\"\xf4\xbf\xbf\xbf\"]", b"[\"\xc3\"]", b"[\"\x80\"]", b"[\"\xe2\x82\"]", b"[\xff]", b"{\"\xff\":1}",
        b"{\"a\":\"\xc3\x28\"}", b"[\"\xfc\x80\x80\x80\x80\x80\"]", b"1\xff", b"[1\xe5]", b"\xe4",
    ] {
        add(bytes);
    }
    // Nesting that does not end.
    for text in ["[".repeat(100_000), "{\"a\":".repeat(50_000), "[{\"a\":".repeat(30_000), format!("{}1", "[".repeat(1_000))] {
        add(text.as_bytes());
    }
    texts.sort();
    texts.dedup();
    texts.into_iter().map(|text| (name_of(&text), text)).collect()
}

/// JSON, however unusual.
pub fn always() -> Vec<(String, Vec<u8>)> {
    let mut texts: Vec<String> = [
        "[]", "{}", "[ ]", "{ }", " [] ", "\t\n\r {} \n", "null", "true", "false", "0", "-0", "1", "-1", "10", "1.5", "-1.5", "0.5", "1e1",
        "1E1", "1e+1", "1e-1", "1E-2", "0e1", "0e+1", "-0e-1", "1.0e10", "123.456e78", "1e-400", "-1e-99999", "1000000000000000000000",
        "-237462374673276894279832749832423479823246327846", "0.4e00669999999999999999999999999999999999999969999999006", "\"\"", "\" \"",
        "\"a\"", "\"\\\"\"", "\"\\\\\"", "\"\\/\"", "\"/\"", "\"\\b\\f\\n\\r\\t\"", "\"\\u0041\"", "\"\\u00e9\"", "\"\\u0000\"", "\"\\u001f\"",
        "\"\\u007f\"", "\"\x7f\"", "\"\\u2028\\u2029\"", "\"\u{2028}\u{2029}\"", "\"\\ud83d\\ude00\"", "\"\\uD83D\\uDE00\"", "\"\u{1f600}\"",
        "\"\\udbff\\udfff\"", "\"\u{10ffff}\"", "\"\\ufffe\\uffff\"", "\"\u{fffe}\"", "\"\\ufdd0\"", "\"\u{e9}\"", "\"e\u{301}\"",
        "\"\u{202e}abc\"", "\"\u{feff}\"", "\"\\u200b\"", "\"a/*b*/c\"", "\"// no comment\"", "\"{}\"", "\"[1,2]\"", "\"\\\\u0041\"", "[null]",
        "[1]", "[1,2,3]", "[ 1 , 2 ]", "[[]]", "[[[[[]]]]]", "[{}]", "[\"a\"]", "[1,\"a\",null,true,{}]", "[1\n]", "[\t1\r,\n2 ]",
        "{\"a\":1}", "{\"a\": null }", "{ \"a\" : 1 }", "{\"\":0}", "{\"a\":{\"a\":{\"a\":1}}}", "{\"a\":[],\"b\":{}}", "{\"a\\u0000b\":1}",
        "{\"\\u0061\":1}", "{\"\u{e9}\":1,\"e\u{301}\":2}", "{\"a\":\"\\u20ac\"}", "{\"min\":-1.0e+28,\"max\":1.0e+28}",
        "{\"1\":1,\"01\":2}", "{\"true\":true,\"null\":null}", "{\"__proto__\":1,\"constructor\":2}", "{\"a\":\n1}",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push(format!("{}{}", "[".repeat(100), "]".repeat(100)));
    texts.push(format!("[{}1]", "1,".repeat(10_000)));
    texts.push(format!("{{{}\"z\":1}}", (0..200).map(|n| format!("\"k{n}\":{n},")).collect::<String>()));
    texts.push(format!("\"{}\"", "x".repeat(100_000)));
    texts.push(format!("{}{{}}", " ".repeat(10_000)));
    texts.into_iter().map(|text| (name_of(text.as_bytes()), text.into_bytes())).collect()
}

/// Well-formed by the letter, and read differently by different readers: refused, or handed on byte for byte.
pub fn perhaps() -> Vec<(String, Vec<u8>)> {
    let mut texts: Vec<String> = [
        "{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":2}", "{\"a\":{\"b\":1,\"b\":2}}", "[{\"a\":1,\"a\":2}]", "1e999",
        "-1e999", "[1e400]", "{\"a\":1e99999999999}", "\"\\ud800\"", "\"\\udc00\"", "[\"\\ud800\\ud800\"]", "[\"\\udc00\\ud800\"]",
        "{\"\\ud800\":1}", "[\"\\uDADA\"]", "[\"\\uD888\\u1234\"]", "[100000000000000000000000000000000000000000000000000000000000]",
        "[0.1000000000000000055511151231257827021181583404541015625]", "[9007199254740993]", "[-9223372036854775809]", "[18446744073709551616]",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push(format!("[{}]", "9".repeat(10_000)));
    texts.push(format!("[0.{}]", "1".repeat(10_000)));
    texts.push(format!("{}{}", "[".repeat(500), "]".repeat(500)));
    texts.push(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    texts.push(format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000)));
    texts.into_iter().map(|text| (name_of(text.as_bytes()), text.into_bytes())).collect()
}

fn name_of(text: &[u8]) -> String {
    text[..text.len().min(40)].escape_ascii().to_string()
}
