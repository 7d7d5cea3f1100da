//! Section T of the corpus of hostile inputs, as far as it lies below HTTP.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use brickyard_types::BearerToken;
use serde_json::{Value, json};

use super::{CLIENT_ID, NOW, PAT, World, hour, name, scopes, world};
use crate::Unauthenticated as U;
use crate::{ImportedPat, NewUser, PatChange, TokenKind};

fn show(world: &World, text: impl Into<String>) -> Result<crate::Caller, U> {
    world.identity.authenticate(&BearerToken::new(text))
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

fn without(mut object: Value, key: &str) -> Value {
    object.as_object_mut().expect("an object").remove(key);
    object
}

#[tokio::test]
async fn ana_is_ana_with_her_own_token_however_it_was_made() {
    let world = world().await;
    let pat = show(&world, PAT).unwrap();
    assert_eq!(
        (pat.principal(), pat.kind(), pat.expires_at()),
        (&world.ana, TokenKind::PersonalAccessToken, None)
    );
    assert!(pat.scopes().covers("sql"));

    let minted = world.identity.mint(&world.ana, scopes("sql genie"), hour()).unwrap();
    let seen = world.identity.authenticate(&minted.token).unwrap();
    assert_eq!((seen.jti(), seen.scopes()), (minted.caller.jti(), &scopes("genie sql")));

    let forged = world.forge(world.header().to_string().as_bytes(), world.claims().to_string().as_bytes());
    let verified = world.identity.authenticate(&forged).unwrap();
    assert_eq!(verified.principal(), &world.ana);
    assert_eq!((verified.kind(), verified.client_id()), (TokenKind::AccessToken, "databricks-cli"));
}

#[tokio::test]
async fn what_is_minted_says_the_same_when_it_is_read_by_somebody_who_has_not_seen_it() {
    let world = world().await;
    let caller = show(&world, PAT).unwrap();
    let first =
        world.identity.downscope(&caller, &scopes("sql"), &world.act("one"), world.now() + hour()).unwrap();
    let second = world
        .identity
        .downscope(first.caller(), &scopes("sql"), &world.act("two"), world.now() + hour())
        .unwrap();
    let worker = brickyard_types::WorkerId("concierge-1".into());
    let minted = [
        (second.token().clone(), second.caller().clone()),
        {
            let token = world.identity.passthrough(&world.robot, &worker).unwrap();
            (token.token, token.caller)
        },
        {
            let minted = world.identity.mint(&world.robot, scopes(""), hour()).unwrap();
            (minted.token, minted.caller)
        },
    ];
    let stranger = super::open(super::config(), brickyard_store::MemoryJournal::new()).await;
    for (token, caller) in minted {
        world.identity.inner.verified.remove(&crate::verified::digest_of(token.expose()));
        let read = world.identity.authenticate(&token).unwrap();
        assert_eq!(format!("{read:?}"), format!("{caller:?}"));
        assert_eq!(read.act_chain(), caller.act_chain());
        assert_eq!(read.origins(), caller.origins());
        assert_eq!((read.expires_at(), read.issued_at()), (caller.expires_at(), caller.issued_at()));
        assert_eq!((read.worker(), read.client_id()), (caller.worker(), caller.client_id()));
        assert!(stranger.identity.authenticate(&token).is_err());
    }
    assert_eq!(second.caller().act().unwrap().endpoint_name.as_str(), "two");
    assert_eq!(second.caller().act_chain()[1].endpoint_name.as_str(), "one");
}

/// Signed rightly, so that nothing but the named rule can refuse it.
#[tokio::test]
async fn a_rightly_signed_token_with_any_wrong_claim_is_refused() {
    let world = world().await;
    let claims = || world.claims();
    let leeway = world.identity.config().leeway.as_secs();
    let malformed = |error: &U| matches!(error, U::Malformed(_));
    type Expect<'a> = Box<dyn Fn(&U) -> bool + 'a>;
    let is = |wanted: U| -> Expect<'_> { Box::new(move |error: &U| *error == wanted) };
    let table: Vec<(&str, Value, Expect<'_>)> = vec![
        (
            "T26 exp past",
            with(with(claims(), "iat", json!(NOW - 100)), "exp", json!(NOW - leeway - 1)),
            is(U::Expired),
        ),
        (
            "T26 exp at the edge",
            with(with(claims(), "iat", json!(NOW - 100)), "exp", json!(NOW - leeway)),
            is(U::Expired),
        ),
        ("T27 exp text", with(claims(), "exp", json!("1900000000")), Box::new(malformed)),
        ("T27 exp fraction", with(claims(), "exp", json!(1.9e9)), Box::new(malformed)),
        ("T27 exp negative", with(claims(), "exp", json!(-1)), is(U::Expired)),
        ("T27 exp null", with(claims(), "exp", Value::Null), Box::new(malformed)),
        ("T27 exp array", with(claims(), "exp", json!([NOW + 1])), Box::new(malformed)),
        ("T27 exp missing", without(claims(), "exp"), Box::new(malformed)),
        ("T27 exp out of range", with(claims(), "exp", json!(i64::MAX)), Box::new(malformed)),
        ("T28 nbf future", with(claims(), "nbf", json!(NOW + leeway + 1)), is(U::NotYetValid)),
        ("T28 nbf text", with(claims(), "nbf", json!("1")), Box::new(malformed)),
        ("T28 nbf null", with(claims(), "nbf", Value::Null), Box::new(malformed)),
        ("T29 iat future", with(claims(), "iat", json!(NOW + leeway + 1)), is(U::NotYetValid)),
        ("T29 life too long", with(claims(), "exp", json!(NOW + 86_401)), is(U::TooLongLived)),
        ("T29 iat missing", without(claims(), "iat"), Box::new(malformed)),
        ("T30 iss slash", with(claims(), "iss", json!("http://localhost:8080/oidc/")), is(U::Issuer)),
        ("T30 iss case", with(claims(), "iss", json!("http://LOCALHOST:8080/oidc")), is(U::Issuer)),
        ("T30 iss port", with(claims(), "iss", json!("http://localhost:8081/oidc")), is(U::Issuer)),
        ("T30 iss prefix", with(claims(), "iss", json!("http://localhost:8080")), is(U::Issuer)),
        ("T30 iss array", with(claims(), "iss", json!(["http://localhost:8080/oidc"])), Box::new(malformed)),
        ("T30 iss missing", without(claims(), "iss"), Box::new(malformed)),
        ("T31 aud other", with(claims(), "aud", json!("1234567891")), is(U::Audience)),
        ("T31 aud mixed", with(claims(), "aud", json!(["1234567890", "other"])), Box::new(malformed)),
        ("T31 aud empty array", with(claims(), "aud", json!([])), Box::new(malformed)),
        ("T31 aud substring", with(claims(), "aud", json!("123456789")), is(U::Audience)),
        ("T31 aud number", with(claims(), "aud", json!(1_234_567_890)), Box::new(malformed)),
        ("T31 aud missing", without(claims(), "aud"), Box::new(malformed)),
        ("T36 sub NUL", with(claims(), "sub", json!("ana@example.com\0")), is(U::UnknownPrincipal)),
        (
            "T37 sub full-width",
            with(claims(), "sub", json!("\u{ff41}na@example.com")),
            is(U::UnknownPrincipal),
        ),
        ("T37 sub Cyrillic", with(claims(), "sub", json!("\u{430}na@example.com")), is(U::UnknownPrincipal)),
        ("T37 sub space", with(claims(), "sub", json!("ana@example.com ")), is(U::UnknownPrincipal)),
        ("T37 sub case", with(claims(), "sub", json!("Ana@example.com")), is(U::UnknownPrincipal)),
        (
            "T37 sub combining",
            with(claims(), "sub", json!("ana\u{301}@example.com")),
            is(U::UnknownPrincipal),
        ),
        ("sub UUID case", with(claims(), "sub", json!(CLIENT_ID.to_uppercase())), is(U::UnknownPrincipal)),
        (
            "sub UUID without dashes",
            with(claims(), "sub", json!(CLIENT_ID.replace('-', ""))),
            is(U::UnknownPrincipal),
        ),
        ("sub of another than uid", with(claims(), "sub", json!(CLIENT_ID)), is(U::UnknownPrincipal)),
        ("uid missing", without(claims(), "uid"), Box::new(malformed)),
        ("sub missing", without(claims(), "sub"), Box::new(malformed)),
        ("T43 scp", with(claims(), "scp", json!(["sql"])), Box::new(malformed)),
        ("T44 scope array", with(claims(), "scope", json!(["sql"])), Box::new(malformed)),
        ("T44 scope tab", with(claims(), "scope", json!("sql\tgenie")), Box::new(malformed)),
        ("T44 scope newline", with(claims(), "scope", json!("sql\ngenie")), Box::new(malformed)),
        ("T44 scope quote", with(claims(), "scope", json!("s\"ql")), Box::new(malformed)),
        ("T44 scope NUL", with(claims(), "scope", json!("sql\0")), Box::new(malformed)),
        ("T44 scope missing", without(claims(), "scope"), Box::new(malformed)),
        ("T47 cnf", with(claims(), "cnf", json!({"jkt": "x"})), Box::new(malformed)),
        ("T48 other workspace", with(claims(), "aud", json!("999")), is(U::Audience)),
        ("jti missing", without(claims(), "jti"), Box::new(malformed)),
        ("jti not ours", with(claims(), "jti", json!("x")), Box::new(malformed)),
        ("client_id missing", without(claims(), "client_id"), Box::new(malformed)),
        ("act empty", with(claims(), "act", json!({})), Box::new(malformed)),
        ("act null", with(claims(), "act", Value::Null), Box::new(malformed)),
        ("may_act", with(claims(), "may_act", json!({"sub": "x"})), Box::new(malformed)),
    ];
    for (what, claims, expected) in table {
        let token = world.forge(world.header().to_string().as_bytes(), claims.to_string().as_bytes());
        let error = world.identity.authenticate(&token).expect_err(what);
        assert!(expected(&error), "{what}: {error:?}");
    }
    assert!(show(&world, PAT).is_ok());
}

#[tokio::test]
async fn a_rightly_signed_token_with_harmless_claims_is_accepted() {
    let world = world().await;
    let leeway = world.identity.config().leeway.as_secs();
    for (what, claims) in [
        (
            "T26 exp within the leeway",
            with(with(world.claims(), "iat", json!(NOW - 100)), "exp", json!(NOW - leeway + 1)),
        ),
        ("nbf now", with(world.claims(), "nbf", json!(NOW))),
        ("iat within the leeway", with(world.claims(), "iat", json!(NOW + leeway))),
        ("aud array of ours alone", with(world.claims(), "aud", json!(["1234567890"]))),
        (
            "sub of a service principal",
            with(with(world.claims(), "sub", json!(CLIENT_ID)), "uid", json!(world.robot.id)),
        ),
        ("no scope at all", with(world.claims(), "scope", json!(""))),
    ] {
        let token = world.forge(world.header().to_string().as_bytes(), claims.to_string().as_bytes());
        assert!(
            world.identity.authenticate(&token).is_ok(),
            "{what}: {:?}",
            world.identity.authenticate(&token)
        );
    }
}

#[tokio::test]
async fn a_rightly_signed_token_with_anything_else_in_its_header_is_refused() {
    let world = world().await;
    let payload = world.claims().to_string();
    let header = || world.header();
    let mut table: Vec<(String, String)> = Vec::new();
    for extra in [
        "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "zip", "p2c", "p2s", "enc", "epk",
        "cty", "url", "nonce",
    ] {
        for value in [json!("http://evil"), json!({}), json!([]), json!(false), json!(1), Value::Null] {
            table.push((format!("T10-12, T33 {extra}"), with(header(), extra, value).to_string()));
        }
    }
    for alg in [
        "none", "None", "NONE", "nOnE", "HS256", "RS256", "PS256", "EdDSA", "ES384", "ES256K", "es256",
        "ES256 ", "",
    ] {
        table.push((format!("T01-09, T23, T24 alg {alg}"), with(header(), "alg", json!(alg)).to_string()));
    }
    for alg in [Value::Null, json!(1), json!(["ES256"])] {
        table.push((format!("alg {alg}"), with(header(), "alg", alg).to_string()));
    }
    for kid in
        ["../../../../dev/null", "/dev/null", "x' UNION SELECT '1';--", "|sleep 10", "", "a\0b", "a\r\nb"]
    {
        table.push((format!("T13-16 kid {kid:?}"), with(header(), "kid", json!(kid)).to_string()));
    }
    let real = world.kid().to_string();
    for kid in [
        json!(1),
        json!([real]),
        Value::Null,
        json!(real.to_uppercase()),
        json!(format!("{real} ")),
        json!("k".repeat(129)),
    ] {
        table.push((format!("T16 kid {kid}"), with(header(), "kid", kid).to_string()));
    }
    table.push(("T16 kid missing".to_owned(), without(header(), "kid").to_string()));
    for typ in ["JWT", "jwt", "dpop+jwt", "logout+jwt", "id+jwt", "AT+JWT", "application/at+jwt", ""] {
        table.push((format!("T32 typ {typ}"), with(header(), "typ", json!(typ)).to_string()));
    }
    table.push(("T32 typ missing".to_owned(), without(header(), "typ").to_string()));
    for twice in [r#""alg":"none""#, r#""kid":"x""#, r#""typ":"JWT""#, r#""\u0061lg":"none""#] {
        table.push((format!("T34 {twice}"), format!("{{{twice},{}", &header().to_string()[1..])));
        table.push((
            format!("T34 {twice} last"),
            format!("{},{twice}}}", header().to_string().trim_end_matches('}')),
        ));
    }
    let text = header().to_string();
    for (what, odd) in [
        ("array of the fields", format!(r#"["ES256","{real}","at+jwt"]"#)),
        ("text", r#""ES256""#.to_owned()),
        ("number", "1".to_owned()),
        ("trailing bytes", format!("{text}x")),
        ("trailing object", format!("{text}{{}}")),
        ("BOM", format!("\u{feff}{text}")),
        ("white space before", format!(" {text}")),
        ("white space after", format!("{text}\n")),
        ("nothing", "{}".to_owned()),
        ("nested", format!("{}{}", "[".repeat(3000), "]".repeat(3000))),
    ] {
        table.push((format!("T35, T42 header is {what}"), odd));
    }
    for (what, header) in table {
        let token = world.forge(header.as_bytes(), payload.as_bytes());
        assert!(world.identity.authenticate(&token).is_err(), "{what}");
    }
}

#[tokio::test]
async fn a_rightly_signed_payload_that_parsers_could_read_differently_is_refused() {
    let world = world().await;
    let good = world.claims().to_string();
    let header = world.header().to_string();
    let inner = good.trim_start_matches('{').trim_end_matches('}');
    let mut table: Vec<(&str, Vec<u8>)> = vec![
        ("T34 sub twice", format!(r#"{{"sub":"root",{inner}}}"#).into()),
        ("T34 sub twice, escaped", format!(r#"{{{inner},"\u0073ub":"root"}}"#).into()),
        ("T35 array", b"[]".to_vec()),
        ("T35 text", br#""x""#.to_vec()),
        ("T35 number", b"1".to_vec()),
        ("T35 trailing", format!("{good}x").into()),
        ("T35 two objects", format!("{good}{good}").into()),
        ("T35 BOM", format!("\u{feff}{good}").into()),
        ("T36 lone surrogate", good.replace("ana@", r"\ud800ana@").into()),
        (
            "T42 deep act",
            format!(r#"{{{inner},"act":{}1{}}}"#, r#"{"act":"#.repeat(700), "}".repeat(700)).into(),
        ),
        ("T42 deep array", format!(r#"{{{inner},"x":{}{}}}"#, "[".repeat(2500), "]".repeat(2500)).into()),
    ];
    let mut invalid = good.clone().into_bytes();
    let place = good.find("ana@").unwrap();
    invalid[place] = 0xff;
    table.push(("T36 invalid UTF-8", invalid));
    let mut overlong = good.clone().into_bytes();
    overlong.splice(place..=place, [0xc1, 0xa1]);
    table.push(("T36 overlong UTF-8", overlong));
    let act = |inner: String| {
        let inner = if inner.is_empty() { inner } else { format!(r#","act":{inner}"#) };
        format!(r#"{{"sub":"00112233445566778899aabbccddeeff","endpoint_name":"x"{inner}}}"#)
    };
    let chain = (0..6).fold(String::new(), |inner, _| act(inner));
    table.push(("X11 chain of six actors", format!(r#"{{{inner},"act":{chain}}}"#).into()));
    for (what, payload) in table {
        let token = world.forge(header.as_bytes(), &payload);
        assert!(matches!(world.identity.authenticate(&token), Err(U::Malformed(_))), "{what}");
    }
    let five = (0..5).fold(String::new(), |inner, _| act(inner));
    let token = world.forge(header.as_bytes(), format!(r#"{{{inner},"act":{five}}}"#).as_bytes());
    assert_eq!(world.identity.authenticate(&token).unwrap().act_chain().len(), 5);
}

#[tokio::test]
async fn a_token_with_any_other_text_than_the_signed_one_is_refused() {
    let world = world().await;
    let good = world.forge(world.header().to_string().as_bytes(), world.claims().to_string().as_bytes());
    let good = good.expose();
    let [header, payload, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let signed = |bytes: &[u8]| format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let zero = [0; 32];
    let (r, s) = raw.split_at(32);
    let mut longer = raw.clone();
    longer.push(0);
    let header_bytes = URL_SAFE_NO_PAD.decode(header).unwrap();
    let mut table = vec![
        ("T05 signature removed", format!("{header}.{payload}.")),
        ("T06 final dot dropped", format!("{header}.{payload}")),
        ("T20 r=0 s=0", signed(&[0; 64])),
        ("T21 r=0", signed(&[&zero, s].concat())),
        ("T21 r=n", signed(&[&order, s].concat())),
        ("T21 s=n", signed(&[r, &order].concat())),
        ("T21 above n", signed(&[0xff; 64])),
        ("T21 63 bytes", signed(&raw[..63])),
        ("T21 65 bytes", signed(&longer)),
        ("T21 DER", signed(&[&[0x30, 0x44, 0x02, 0x20], r, &[0x02, 0x20], s].concat())),
        ("T38 padding", format!("{}.{payload}.{signature}", URL_SAFE.encode(&header_bytes) + "=")),
        ("T38 standard alphabet", format!("{header}.{payload}.{}", STANDARD.encode(&raw))),
        ("T38 space", format!("{header}.{payload}.{signature} ")),
        ("T38 leading space", format!(" {good}")),
        ("T38 newline", format!("{header}\n.{payload}.{signature}")),
        ("T38 empty header", format!(".{payload}.{signature}")),
        ("T38 empty payload", format!("{header}..{signature}")),
        ("T39 one segment", header.to_owned()),
        ("T39 four segments", format!("{good}.x")),
        ("T39 five segments", format!("{good}.x.y")),
        ("T39 six segments", format!("{good}.x.y.z")),
        (
            "T39 JSON serialization",
            format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#),
        ),
        ("T41 long", format!("{good}{}", "A".repeat(8192))),
        ("T41 very long", "A".repeat(10_000_000)),
        ("empty", String::new()),
        ("dots", "..".to_owned()),
        ("Bearer in it", format!("Bearer {good}")),
    ];
    let mut last = signature.chars().next_back().unwrap();
    last = char::from_u32(u32::from(last) ^ 1).unwrap();
    table.push(("T38 stray bits", format!("{header}.{payload}.{}{last}", &signature[..signature.len() - 1])));
    for (what, text) in table {
        assert!(show(&world, text).is_err(), "{what}");
    }
    for place in 0..good.len() {
        let mut text = good.as_bytes().to_vec();
        text[place] = if text[place] == b'A' { b'B' } else { b'A' };
        assert!(show(&world, String::from_utf8(text).unwrap()).is_err(), "one letter at {place}");
    }
    assert_eq!(show(&world, "A".repeat(8193)).unwrap_err(), U::TooLong);
    assert!(show(&world, good).is_ok());
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|place| u8::from_str_radix(&text[place..place + 2], 16).unwrap()).collect()
}

/// T22: whoever has a token can make another text for it. It is the same token: it dies with it.
#[tokio::test]
async fn the_other_text_of_a_token_is_revoked_with_it() {
    let world = world().await;
    let token = world.token(&world.ana, "sql");
    let (signed, signature) = token.expose().rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let mut twin = raw.clone();
    let mut borrow = 0i16;
    for place in (0..32).rev() {
        let difference = i16::from(order[place]) - i16::from(raw[32 + place]) - borrow;
        borrow = i16::from(difference < 0);
        twin[32 + place] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let twin = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(twin));
    let caller = world.identity.authenticate(&token).unwrap();
    if let Ok(other) = show(&world, twin.clone()) {
        assert_eq!(other.jti(), caller.jti());
    }
    world.identity.revoke(&caller).await.unwrap();
    assert_eq!(world.identity.authenticate(&token).unwrap_err(), U::Revoked);
    assert_eq!(show(&world, twin).unwrap_err(), U::Revoked);
}

/// T45: at once, also for a token that was seen a moment ago.
#[tokio::test]
async fn whoever_is_disabled_deleted_or_revoked_is_nobody_from_that_moment() {
    let world = world().await;
    let identity = &world.identity;
    let (token, pat) = (world.token(&world.ana, "sql"), BearerToken::new(PAT));
    for token in [&token, &pat] {
        assert!(identity.authenticate(token).is_ok() && identity.authenticate(token).is_ok());
    }
    identity.set_active(world.ana.id, false).await.unwrap();
    for token in [&token, &pat] {
        assert_eq!(identity.authenticate(token).unwrap_err(), U::Disabled);
    }
    identity.set_active(world.ana.id, true).await.unwrap();
    assert!(identity.authenticate(&token).is_ok());

    let caller = identity.authenticate(&pat).unwrap();
    let derived =
        identity.downscope(&caller, &scopes("sql"), &world.act("agent"), world.now() + hour()).unwrap();
    assert!(identity.authenticate(derived.token()).is_ok());
    identity.delete_pat(Some(world.ana.id), caller.jti()).await.unwrap();
    assert_eq!(identity.authenticate(&pat).unwrap_err(), U::UnknownToken);
    assert_eq!(identity.authenticate(derived.token()).unwrap_err(), U::Revoked);

    let robot = world.token(&world.robot, "sql");
    assert!(identity.authenticate(&robot).is_ok());
    identity.delete_principal(world.robot.id).await.unwrap();
    assert_eq!(identity.authenticate(&robot).unwrap_err(), U::UnknownPrincipal);
    // Nobody inherits a token by getting the name again.
    identity.create_service_principal("robot", Some(CLIENT_ID)).await.unwrap();
    assert_eq!(
        identity.authenticate(&robot).map(|caller| caller.principal().id == world.robot.id).ok(),
        None
    );
}

/// Narrowed, it opens less at once, and so does whatever was made from it; nobody is turned away for the change itself.
#[tokio::test]
async fn a_personal_access_token_opens_what_its_scopes_are_now() {
    let world = world().await;
    let identity = &world.identity;
    let pat = BearerToken::new(PAT);
    let caller = identity.authenticate(&pat).unwrap();
    let derived = |wanted: &str| {
        identity.downscope(&caller, &scopes(wanted), &world.act("agent"), world.now() + hour()).unwrap()
    };
    let (kept, lost) = (derived("sql.statement-execution"), derived("genie"));
    for (now, opens) in [(Some("sql"), "sql"), (None, "all-apis"), (Some("genie sql"), "genie sql")] {
        let change = PatChange { scopes: Some(now.map(scopes)), ..PatChange::default() };
        let changed = identity.change_pat(Some(world.ana.id), caller.jti(), change).await.unwrap();
        assert_eq!((changed.id, changed.scopes), (caller.jti(), now.map(scopes)));
        assert_eq!(identity.authenticate(&pat).unwrap().scopes(), &scopes(opens), "{now:?}");
        assert!(identity.authenticate(kept.token()).is_ok(), "{now:?}");
        let narrowed = now == Some("sql");
        assert_eq!(identity.authenticate(lost.token()).err(), narrowed.then_some(U::Revoked), "{now:?}");
    }
    let nobodys = identity.change_pat(Some(world.robot.id), caller.jti(), PatChange::default()).await;
    assert!(nobodys.is_err(), "somebody else's token");
    // The configuration, read again at a start, says what it opens.
    let again = ImportedPat { scopes: Some(scopes("sql")), ..ImportedPat::new(world.ana.id, PAT.into()) };
    identity.import_pat(again).await.unwrap();
    assert_eq!(identity.authenticate(&pat).unwrap().scopes(), &scopes("sql"));
    assert_eq!(identity.pats_of(world.ana.id).len(), 1);
}

#[tokio::test]
async fn a_personal_access_token_is_its_exact_text() {
    let world = world().await;
    for (what, text) in [
        ("one char changed", format!("{}0", &PAT[..PAT.len() - 1])),
        ("truncated", PAT[..PAT.len() - 1].to_owned()),
        ("prefix", PAT[..20].to_owned()),
        ("longer", format!("{PAT}0")),
        ("upper case", PAT.to_uppercase()),
        ("upper-case digits", format!("dapi{}", PAT[4..].to_uppercase())),
        ("trailing space", format!("{PAT} ")),
        ("only the prefix", "dapi".to_owned()),
    ] {
        assert!(show(&world, text).is_err(), "T46 {what}");
    }
    let created =
        world.identity.create_pat(&world.ana, "laptop", Some(hour()), Some(scopes("sql"))).await.unwrap();
    assert_eq!((created.token.expose().len(), &created.token.expose()[..4]), (36, "dapi"));
    let caller = world.identity.authenticate(&created.token).unwrap();
    assert_eq!((caller.scopes(), caller.jti()), (&scopes("sql"), created.info.id));
    world.advance(3599);
    assert!(world.identity.authenticate(&created.token).is_ok());
    world.advance(1);
    assert_eq!(world.identity.authenticate(&created.token).unwrap_err(), U::Expired);
}

#[tokio::test]
async fn one_text_is_one_persons_token() {
    let world = world().await;
    let bob = world.identity.create_user(NewUser::named(name("bob@example.com"))).await.unwrap();
    assert!(world.identity.import_pat(ImportedPat::new(bob.id, PAT.into())).await.is_err());
    assert!(world.identity.import_pat(ImportedPat::new(world.ana.id, PAT.into())).await.is_ok());
    assert_eq!(world.identity.pats_of(world.ana.id).len(), 1);
    for bad in ["dapi", "dapi1234567", "dopi0123456789", "dapi0123 56789", "dapi\u{e9}123456789"] {
        assert!(world.identity.import_pat(ImportedPat::new(bob.id, bad.into())).await.is_err(), "{bad}");
    }
}

#[tokio::test]
async fn the_cache_forgets_rather_than_grows() {
    let world = world().await;
    let minted = world.identity.mint(&world.ana, scopes("sql"), hour()).unwrap();
    let first = minted.token;
    let cache = &world.identity.inner.verified;
    for number in 0..130_000u32 {
        let entry = crate::verified::Verified::new(minted.caller.clone(), None, 0);
        cache.insert(crate::verified::digest_of(&number.to_string()), entry, world.now());
    }
    assert!(cache.len() <= 100_000, "{}", cache.len());
    assert!(world.identity.authenticate(&first).is_ok());
}
