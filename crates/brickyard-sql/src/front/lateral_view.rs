//! `LATERAL VIEW f(..) [x] [[AS] c, ..]` without a name for the view or for its columns.
//!
//! `sqlparser` wants both names, and takes the next word for the one that is missing: `ORDER`. So what is missing is put
//! in, as names that `rewrite/lateral.rs` knows.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::lexer::Tokens;

/// The columns are called as the function calls them.
pub(crate) const UNNAMED: &str = "__unnamed";

/// What may follow a view.
const CLAUSES: [&str; 21] = [
    "WHERE",
    "GROUP",
    "HAVING",
    "QUALIFY",
    "WINDOW",
    "ORDER",
    "SORT",
    "CLUSTER",
    "DISTRIBUTE",
    "LIMIT",
    "OFFSET",
    "LATERAL",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "MINUS",
    "JOIN",
    "LEFT",
    "INNER",
    "CROSS",
    "PIVOT",
];

/// Puts the missing names in.
pub(super) fn named(tokens: &mut Tokens) {
    let mut at = 0;
    while at + 1 < tokens.tokens.len() {
        if is_word(tokens, at, "LATERAL") && is_word(tokens, at + 1, "VIEW") {
            at = view(tokens, at + 2);
        } else {
            at += 1;
        }
    }
}

fn is_word(tokens: &Tokens, at: usize, wanted: &str) -> bool {
    matches!(tokens.tokens.get(at).map(|token| &token.token),
        Some(Token::Word(Word { value, quote_style: None, .. })) if value.eq_ignore_ascii_case(wanted))
}

/// Looks at one view, behind its first words. Answers where to go on.
fn view(tokens: &mut Tokens, from: usize) -> usize {
    let mut at = from + usize::from(is_word(tokens, from, "OUTER"));
    while matches!(tokens.tokens.get(at).map(|token| &token.token), Some(Token::Word(_) | Token::Period)) {
        at += 1;
    }
    let mut depth = 0_usize;
    loop {
        match tokens.tokens.get(at).map(|token| &token.token) {
            Some(Token::LParen) => depth += 1,
            Some(Token::RParen) if depth > 0 => depth -= 1,
            Some(_) if depth > 0 => {}
            _ => return at,
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    if is_word(tokens, at, "AS") || ends(tokens, at) {
        insert(tokens, at, &[UNNAMED]);
    }
    at += 1;
    if ends(tokens, at) {
        insert(tokens, at, &["AS", UNNAMED]);
    }
    // Its arguments may hold others.
    from
}

/// Whether there is no name at this place.
fn ends(tokens: &Tokens, at: usize) -> bool {
    match tokens.tokens.get(at).map(|token| &token.token) {
        Some(Token::Word(_)) => CLAUSES.iter().any(|clause| is_word(tokens, at, clause)),
        _ => true,
    }
}

fn insert(tokens: &mut Tokens, at: usize, words: &[&str]) {
    let Some((last, place)) = at
        .checked_sub(1)
        .and_then(|before| Some((tokens.tokens.get(before)?.span, *tokens.places.get(before)?)))
    else {
        return;
    };
    let made = words.iter().map(|word| TokenWithSpan::new(Token::make_word(word, None), last));
    tokens.tokens.splice(at..at, made.collect::<Vec<_>>());
    tokens.places.splice(at..at, words.iter().map(|_| place).collect::<Vec<_>>());
}
