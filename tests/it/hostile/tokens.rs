//! **T. Token parsing and verification.** Every bad token is one answer: 403 `Invalid access token.`, with the status as
//! its code; what is no bearer token at all is 401. Introspection calls all of them inactive, in the same bytes, and an
//! exchange takes none.

mod ends;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use brickyard_types::SignedDuration;
use serde_json::{Value, json};

use super::forge::{ORDER, SigningKey, hs256, input, pem, spki};
use super::stage::{ANA, CLIENT_ID, CLIENT_SECRET, Stage, signature};
use super::wire::{Answer, form, json as json_request, request};

const INVOKE: &str = "/serving-endpoints/outside/invocations";
const BODY: &str = r#"{"input":[]}"#;

fn bearer(token: &str) -> Vec<u8> {
    json_request("POST", INVOKE, token, BODY)
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

fn without(mut object: Value, key: &str) -> Value {
    object.as_object_mut().expect("an object").remove(key);
    object
}

fn is_invalid_token(what: &str, answer: &Answer) {
    let body = answer.json();
    assert_eq!(
        (&body["error_code"], &body["message"]),
        (&json!(403), &json!("Invalid access token.")),
        "{what}"
    );
    assert_eq!(answer.header("x-databricks-reason-phrase"), "Invalid access token.", "{what}");
}

impl Stage {
    /// A token that is none, shown in the three places where tokens are shown.
    async fn refused(&mut self, what: &str, token: &str) {
        let answer = self.entry(what, &bearer(token), 403).await;
        is_invalid_token(what, &answer);
        if token.len() > 12_000 {
            return;
        }
        let admin = format!("Bearer {}", self.admin);
        let headers =
            [("Authorization", admin.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        let asked = request("POST", "/oidc/v1/introspect", &headers, form(&[("token", token)]).as_bytes());
        let answer = self.entry(what, &asked, &[200, 400][..]).await;
        assert!(answer.text() == r#"{"active":false}"# || token.contains('\0'), "{what}: {}", answer.text());
        let pairs = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token", token),
        ];
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let exchange = request("POST", "/oidc/v1/token", &headers, form(&pairs).as_bytes());
        let answer = self.entry(&format!("X09 {what}"), &exchange, 400).await;
        assert_eq!(answer.json()["error"], "invalid_request", "{what}: {}", answer.text());
    }

    async fn accepted(&mut self, what: &str, token: &str) {
        self.entry(what, &bearer(token), super::stage::CALLED).await;
    }

    /// Signed with the real key.
    fn signed(&self, header: &Value, claims: &Value) -> String {
        self.stolen.token(header.to_string(), claims.to_string())
    }
}

/// T01 to T25: whose signature, and what a header may say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_a_token_says_nothing_about_how_to_trust_it() {
    let mut stage = Stage::set("").await;
    let (header, claims) = (stage.header(), stage.claims());
    let payload = claims.to_string();
    let good = stage.signed(&header, &claims);
    stage.accepted("a forger with the real key", &good).await;

    let mut table: Vec<(String, String)> = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE"] {
        let unsigned = input(with(header.clone(), "alg", json!(alg)).to_string(), &payload);
        table.push((format!("T01-04 {alg}"), format!("{unsigned}.")));
        table.push((format!("T01-04 {alg}, no dot"), unsigned.clone()));
        table.push((format!("T01-04 {alg}, a signature"), format!("{unsigned}.{}", signature(&good))));
        let bare = input(json!({ "alg": alg }).to_string(), &payload);
        table.push((format!("T01-04 {alg} alone"), format!("{bare}.")));
    }
    let signed_part = good.rsplit_once('.').expect("three parts").0.to_owned();
    table.push(("T05 signature removed".into(), format!("{signed_part}.")));
    table.push(("T06 dot dropped".into(), signed_part.clone()));

    // The public key as the server itself publishes it.
    let published = stage.kit.get("/oidc/jwks.json", "").await.json();
    let jwk = published["keys"].as_array().expect("keys")[0].clone();
    assert_eq!(jwk["kid"], stage.stolen.kid.as_str());
    let coordinate =
        |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().expect("a number")).expect("base64");
    let point = [&[4][..], &coordinate("x"), &coordinate("y")].concat();
    assert_eq!(point, stage.stolen.public());
    let hs = with(header.clone(), "alg", json!("HS256"));
    for (form, key) in [
        ("JWK", jwk.to_string().into_bytes()),
        ("JWKS", published.to_string().into_bytes()),
        ("DER", spki(&point)),
        ("PEM", pem(&spki(&point)).into_bytes()),
        ("PEM without its last newline", pem(&spki(&point)).trim_end().as_bytes().to_vec()),
        ("point", point.clone()),
        ("x", coordinate("x")),
        ("x in base64", jwk["x"].as_str().expect("text").as_bytes().to_vec()),
    ] {
        table.push((format!("T07 HS256 with our public {form}"), hs256(&hs, &claims, &key)));
        for alg in ["HS384", "HS512", "ES256"] {
            let header = with(header.clone(), "alg", json!(alg));
            table.push((format!("T07 {alg} with our public {form}"), hs256(&header, &claims, &key)));
        }
    }
    table.push(("T08 HS256 with an empty key".into(), hs256(&hs, &claims, b"")));
    let zeros = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[0; 32]), signed_part.as_bytes());
    table.push(("T08 a MAC under zeros".into(), format!("{signed_part}.{}", URL_SAFE_NO_PAD.encode(zeros))));
    for word in COMMON_WORDS.split_whitespace() {
        table.push((format!("T09 HS256 with {word:?}"), hs256(&hs, &claims, word.as_bytes())));
    }

    let mine = SigningKey::own(&stage.stolen.kid);
    table.push(("a key of mine under the real name".into(), mine.token(header.to_string(), &payload)));
    let trap = stage.trap.url.clone();
    let chain = json!([STANDARD.encode(spki(mine.public()))]);
    for (id, name, value) in [
        ("T10", "jwk", mine.jwk()),
        ("T11", "jku", json!(format!("{trap}/jwks.json"))),
        ("T12", "x5u", json!(format!("{trap}/chain.pem"))),
        ("T12", "x5c", chain),
        ("T12", "x5t", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("T12", "x5t#S256", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
    ] {
        for kid in [Some(stage.stolen.kid.as_str()), Some("mine"), None] {
            let header = with(header.clone(), name, value.clone());
            let header = match kid {
                Some(kid) => with(header, "kid", json!(kid)),
                None => without(header, "kid"),
            };
            table.push((
                format!("{id} {name}, kid {kid:?}, my key"),
                mine.token(header.to_string(), &payload),
            ));
            // Even beside a signature that is right.
            table.push((format!("{id} {name}, kid {kid:?}"), stage.signed(&header, &claims)));
        }
    }
    for kid in KIDS {
        let header = with(header.clone(), "kid", json!(kid));
        table.push((format!("T13-16 {kid:?}"), stage.signed(&header, &claims)));
        for key in [&b""[..], b"1", b"\0"] {
            let header = with(header.clone(), "alg", json!("HS256"));
            table.push((format!("T13-14 {kid:?} HS256 with {key:?}"), hs256(&header, &claims, key)));
        }
    }
    let real = stage.stolen.kid.clone();
    for kid in [
        json!(1),
        json!([real]),
        json!({}),
        Value::Null,
        json!(""),
        json!(real.to_uppercase()),
        json!(format!(" {real}")),
        json!("k".repeat(4_000)),
    ] {
        let header = with(header.clone(), "kid", kid.clone());
        table.push((
            format!("T16 kid {}", &kid.to_string()[..kid.to_string().len().min(60)]),
            stage.signed(&header, &claims),
        ));
    }
    table.push(("T16 kid missing".into(), stage.signed(&without(header.clone(), "kid"), &claims)));
    for alg in
        ["RS256", "PS256", "EdDSA", "ES384", "ES512", "ES256K", "Ed25519", "es256", "ES256 ", "", "HS256"]
    {
        table.push((
            format!("T23-24 {alg:?}"),
            stage.signed(&with(header.clone(), "alg", json!(alg)), &claims),
        ));
    }
    for alg in [Value::Null, json!(256), json!(["ES256"]), json!({})] {
        table.push((format!("T23 alg {alg}"), stage.signed(&with(header.clone(), "alg", alg), &claims)));
    }
    table.push(("T23 alg missing".into(), stage.signed(&without(header.clone(), "alg"), &claims)));
    for (what, token) in table {
        stage.refused(&what, &token).await;
    }

    // T16: a megabyte of it does not fit into a head.
    let huge = stage.signed(&with(header.clone(), "kid", json!("k".repeat(1 << 20))), &claims);
    stage.entry("T16 kid of a megabyte", &bearer(&huge), 431).await;

    // T17, T18, T19.
    let old = SigningKey::stolen_from(stage.data_dir(), &stage.stolen.kid);
    stage.prepare("POST", "/_brickyard/rotate", &json!({ "signing_keys": true })).await;
    assert_ne!(super::stage::current_kid(&stage.kit), old.kid);
    stage.accepted("T17 a retained key", &old.token(header.to_string(), stage.claims().to_string())).await;
    let later = stage.kit.workspace.clock.now() + SignedDuration::from_hours(1);
    let early = stage.kit.workspace.identity.schedule_signing_key(later).await.expect("a key");
    let early = SigningKey::stolen_from(stage.data_dir(), &early);
    stage.canaries.add("the next private key", early.private());
    let token =
        early.token(with(header.clone(), "kid", json!(early.kid)).to_string(), stage.claims().to_string());
    stage.refused("T19 a key whose time has not come", &token).await;
    let token = old.token(header.to_string(), stage.claims().to_string());
    stage.accepted("T18 before", &token).await;
    // The people of this stage have tokens of the old key too.
    let kit = &stage.kit;
    kit.workspace.identity.revoke_signing_key(&old.kid).await.expect("revoked");
    (stage.ana, stage.admin) = (stage.kit.token(ANA), stage.kit.token(super::stage::ADMIN));
    stage.refused("T18 a revoked key, seen before", &token).await;
    let token = old.token(header.to_string(), stage.claims().to_string());
    stage.refused("T18 a revoked key", &token).await;
    eprintln!("T01-T25: {} entries", stage.entries);
}

/// T26 to T47: rightly signed, and still not to be believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_a_rightly_signed_token_is_believed_only_word_by_word() {
    let mut stage = Stage::set("").await;
    let (header, claims) = (stage.header(), stage.claims());
    let now = stage.now();
    let leeway = stage.kit.workspace.identity.config().leeway.as_secs();
    let life = stage.kit.workspace.identity.config().max_token_lifetime.as_secs();
    let issuer = stage.kit.workspace.identity.config().issuer();
    let id = stage.kit.workspace.id.to_string();
    let c = || claims.clone();
    let old = |exp: i64| with(with(c(), "iat", json!(now - 1000)), "exp", json!(exp));
    stage.accepted("T26 over, within the leeway", &stage.signed(&header, &old(now - leeway + 1))).await;
    stage.accepted("T28 nbf now", &stage.signed(&header, &with(c(), "nbf", json!(now)))).await;
    stage
        .accepted("T31 an array of ours alone", &stage.signed(&header, &with(c(), "aud", json!([id]))))
        .await;

    let text = |text: &str| json!(text);
    let mut table: Vec<(&str, Value)> = vec![
        ("T26 over", old(now - leeway - 1)),
        ("T26 the edge", old(now - leeway)),
        ("T27 exp text", with(c(), "exp", text("1999999999"))),
        ("T27 exp NaN", with(c(), "exp", text("NaN"))),
        ("T27 exp fraction", with(c(), "exp", json!(now as f64 + 0.5))),
        ("T27 exp negative", with(c(), "exp", json!(-1))),
        ("T27 exp null", with(c(), "exp", Value::Null)),
        ("T27 exp array", with(c(), "exp", json!([now + 10]))),
        ("T27 exp object", with(c(), "exp", json!({}))),
        ("T27 exp true", with(c(), "exp", json!(true))),
        ("T27 exp enormous", with(c(), "exp", json!(i64::MAX))),
        ("T27 exp beyond i64", with(c(), "exp", json!(u64::MAX))),
        ("T27 exp in milliseconds", with(c(), "exp", json!((now + 60) * 1000))),
        ("T27 exp missing", without(c(), "exp")),
        ("T28 nbf in the future", with(c(), "nbf", json!(now + leeway + 1))),
        ("T28 nbf text", with(c(), "nbf", text("0"))),
        ("T28 nbf null", with(c(), "nbf", Value::Null)),
        ("T29 iat in the future", with(c(), "iat", json!(now + leeway + 1))),
        ("T29 iat far in the future", with(with(c(), "iat", json!(now * 2)), "exp", json!(now * 2 + 60))),
        ("T29 a life beyond the longest", with(c(), "exp", json!(now + life + 1))),
        ("T29 exp before iat", with(c(), "exp", json!(now - 1))),
        ("T29 iat missing", without(c(), "iat")),
        ("T30 iss with a slash", with(c(), "iss", json!(format!("{issuer}/")))),
        ("T30 iss in capitals", with(c(), "iss", json!(issuer.to_uppercase()))),
        ("T30 iss of https", with(c(), "iss", json!(issuer.replace("http", "https")))),
        ("T30 iss of another port", with(c(), "iss", text("http://127.0.0.1:1/oidc"))),
        ("T30 iss of localhost", with(c(), "iss", json!(issuer.replace("127.0.0.1", "localhost")))),
        ("T30 iss prefix", with(c(), "iss", json!(issuer.trim_end_matches("/oidc")))),
        ("T30 iss longer", with(c(), "iss", json!(format!("{issuer}.evil.example")))),
        ("T30 iss array", with(c(), "iss", json!([issuer]))),
        ("T30 iss missing", without(c(), "iss")),
        ("T31, T48 aud of another workspace", with(c(), "aud", text("999"))),
        ("T31 aud mixed", with(c(), "aud", json!([id, "999"]))),
        ("T31 aud mixed, ours last", with(c(), "aud", json!(["999", id]))),
        ("T31 aud twice ours", with(c(), "aud", json!([id, id]))),
        ("T31 aud empty", with(c(), "aud", json!([]))),
        ("T31 aud substring", with(c(), "aud", json!(&id[..id.len() - 1]))),
        ("T31 aud number", with(c(), "aud", json!(stage.kit.workspace.id))),
        ("T31 aud null", with(c(), "aud", Value::Null)),
        ("T31 aud missing", without(c(), "aud")),
        ("T36 NUL in sub", with(c(), "sub", text("ana@example.com\0"))),
        ("T37 full-width", with(c(), "sub", text("\u{ff41}na@example.com"))),
        ("T37 Cyrillic", with(c(), "sub", text("\u{430}na@example.com"))),
        ("T37 trailing space", with(c(), "sub", text("ana@example.com "))),
        ("T37 leading space", with(c(), "sub", text(" ana@example.com"))),
        ("T37 other case", with(c(), "sub", text("ANA@example.com"))),
        ("T37 domain in capitals", with(c(), "sub", text("ana@EXAMPLE.com"))),
        ("T37 combining mark", with(c(), "sub", text("ana\u{301}@example.com"))),
        ("T37 soft hyphen", with(c(), "sub", text("an\u{ad}a@example.com"))),
        ("T37 zero-width joiner", with(c(), "sub", text("ana\u{200d}@example.com"))),
        ("T37 empty", with(c(), "sub", text(""))),
        ("RFC 9068: a service principal's sub, Ana's uid", with(c(), "sub", text(CLIENT_ID))),
        ("another's sub, Ana's uid", with(c(), "sub", text("bob@example.com"))),
        ("Ana's sub, another's uid", with(c(), "uid", json!(stage.kit.principal("bob@example.com").id))),
        ("uid text", with(c(), "uid", json!(stage.kit.principal(ANA).id.to_string()))),
        ("uid missing", without(c(), "uid")),
        ("sub missing", without(c(), "sub")),
        ("sub array", with(c(), "sub", json!([ANA]))),
        ("T43 scp", with(c(), "scp", json!(["all-apis"]))),
        ("T44 scope array", with(c(), "scope", json!(["all-apis"]))),
        ("T44 scope tab", with(c(), "scope", text("all-apis\tsql"))),
        ("T44 scope newline", with(c(), "scope", text("all-apis\nsql"))),
        ("T44 scope quote", with(c(), "scope", text("all-apis\""))),
        ("T44 scope NUL", with(c(), "scope", text("all-apis\0"))),
        ("T44 scope double space", with(c(), "scope", text("all-apis  sql"))),
        ("T44 scope null", with(c(), "scope", Value::Null)),
        ("T44 scope missing", without(c(), "scope")),
        ("T45 a disabled user", {
            let disabled = stage.kit.principal("disabled@example.com");
            with(with(c(), "sub", json!(disabled.name)), "uid", json!(disabled.id))
        }),
        ("T47 cnf jkt", with(c(), "cnf", json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }))),
        (
            "T47 cnf x5t",
            with(c(), "cnf", json!({ "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" })),
        ),
        ("T47 cnf empty", with(c(), "cnf", json!({}))),
        ("T47 cnf null", with(c(), "cnf", Value::Null)),
        ("jti missing", without(c(), "jti")),
        ("jti not one of ours", with(c(), "jti", text("../../x"))),
        ("jti number", with(c(), "jti", json!(1))),
        ("client_id missing", without(c(), "client_id")),
        ("act empty", with(c(), "act", json!({}))),
        ("act null", with(c(), "act", Value::Null)),
        ("X14 may_act", with(c(), "may_act", json!({ "sub": "mallory" }))),
        ("groups", with(c(), "groups", json!(["admins"]))),
        ("admin", with(c(), "admin", json!(true))),
    ];
    // An endpoint that does not exist acts.
    let act = json!({ "sub": "00112233445566778899aabbccddeeff", "endpoint_name": "gone" });
    table.push(("T48 the actor is an endpoint that is gone", with(c(), "act", act)));
    for (what, claims) in table {
        let token = stage.signed(&header, &claims);
        stage.refused(what, &token).await;
    }
    for typ in
        ["JWT", "jwt", "dpop+jwt", "logout+jwt", "id+jwt", "rt+jwt", "AT+JWT", "application/at+jwt", ""]
    {
        let token = stage.signed(&with(header.clone(), "typ", json!(typ)), &claims);
        stage.refused(&format!("T32 typ {typ:?}"), &token).await;
    }
    let token = stage.signed(&without(header.clone(), "typ"), &claims);
    stage.refused("T32 typ missing", &token).await;
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!(["unheard-of"])),
        ("crit", json!([])),
        ("crit", json!(["alg"])),
        ("crit", Value::Null),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("url", json!("http://evil.example")),
        ("nonce", json!("x")),
        ("p2c", json!(2_147_483_648_u32)),
    ] {
        let token = stage.signed(&with(header.clone(), name, value.clone()), &claims);
        stage.refused(&format!("T33 {name} {value}"), &token).await;
    }
    eprintln!("T26-T47, claims: {} entries", stage.entries);
}

/// T34 to T42: texts that two readers could read in two ways, or that cost more than they are worth.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_a_token_has_one_form() {
    let mut stage = Stage::set("").await;
    let header = stage.header().to_string();
    let claims = stage.claims().to_string();
    let inner = claims.trim_start_matches('{').trim_end_matches('}');
    let head = header.trim_start_matches('{').trim_end_matches('}');
    let mut payloads: Vec<(&str, Vec<u8>)> = vec![
        ("T34 sub twice", format!(r#"{{"sub":"{ADMIN}",{inner}}}"#, ADMIN = super::stage::ADMIN).into()),
        ("T34 sub twice, last", format!(r#"{{{inner},"sub":"{}"}}"#, super::stage::ADMIN).into()),
        ("T34 sub twice, escaped", format!(r#"{{{inner},"\u0073ub":"{}"}}"#, super::stage::ADMIN).into()),
        ("T34 scope twice, same", format!(r#"{{{inner},"scope":"all-apis"}}"#).into()),
        ("T35 array", format!("[{claims}]").into()),
        ("T35 text", serde_json::to_string(&claims).expect("JSON").into()),
        ("T35 number", b"1".to_vec()),
        ("T35 null", b"null".to_vec()),
        ("T35 trailing bytes", format!("{claims}x").into()),
        ("T35 trailing NUL", format!("{claims}\0").into()),
        ("T35 two objects", format!("{claims}{claims}").into()),
        ("T35 BOM", format!("\u{feff}{claims}").into()),
        ("T35 white space", format!(" {claims}\n").into()),
        ("T35 a comment", format!("/**/{claims}").into()),
        ("T36 lone surrogate", claims.replacen("ana@", r"\ud800ana@", 1).into()),
        ("T36 reversed pair", claims.replacen("ana@", r"\ude00\ud83dana@", 1).into()),
        ("T27 exp 1e400", claims.replacen("\"exp\":", "\"exp\":1e400,\"x\":", 1).into()),
        ("T42 a deep array", format!(r#"{{{inner},"x":{}{}}}"#, "[".repeat(2_500), "]".repeat(2_500)).into()),
        (
            "T42 a deep act",
            format!(r#"{{{inner},"act":{}1{}}}"#, r#"{"act":"#.repeat(600), "}".repeat(600)).into(),
        ),
        (
            "T43 many scopes",
            claims.replacen("\"all-apis\"", &format!("\"{}all-apis\"", "sql ".repeat(1_200)), 1).into(),
        ),
        (
            "T43 a long scope",
            claims.replacen("\"all-apis\"", &format!("\"{}\"", "s".repeat(4_000)), 1).into(),
        ),
    ];
    let place = claims.find("ana@").expect("Ana");
    let mut invalid = claims.clone().into_bytes();
    invalid[place] = 0xff;
    payloads.push(("T36 invalid UTF-8", invalid));
    let mut overlong = claims.clone().into_bytes();
    overlong.splice(place..=place, [0xc1, 0xa1]);
    payloads.push(("T36 overlong UTF-8", overlong));
    let utf16: Vec<u8> = claims.encode_utf16().flat_map(u16::to_le_bytes).collect();
    payloads.push(("T36 UTF-16", utf16));
    for (what, payload) in payloads {
        let token = stage.stolen.token(&header, payload);
        // Many known scopes are many scopes and nothing worse.
        if what == "T43 many scopes" {
            stage.accepted(what, &token).await;
            continue;
        }
        stage.refused(what, &token).await;
    }
    for (what, odd) in [
        ("T34 alg twice", format!(r#"{{"alg":"none",{head}}}"#)),
        ("T34 alg twice, last", format!(r#"{{{head},"alg":"none"}}"#)),
        ("T34 alg twice, escaped", format!(r#"{{{head},"\u0061lg":"none"}}"#)),
        ("T34 kid twice", format!(r#"{{{head},"kid":"{}"}}"#, stage.stolen.kid)),
        ("T35 header an array", format!(r#"["ES256","{}","at+jwt"]"#, stage.stolen.kid)),
        ("T35 header a text", "\"ES256\"".to_owned()),
        ("T35 header with trailing bytes", format!("{header}x")),
        ("T35 header with BOM", format!("\u{feff}{header}")),
        ("T35 header with spaces around", format!(" {header} ")),
        ("T35 header empty", "{}".to_owned()),
        ("T42 header deep", format!("{}{}", "[".repeat(2_900), "]".repeat(2_900))),
    ] {
        let token = stage.stolen.token(odd, &claims);
        stage.refused(what, &token).await;
    }

    let good = stage.stolen.token(&header, &claims);
    let [first, second, third]: [&str; 3] =
        good.split('.').collect::<Vec<_>>().try_into().expect("three parts");
    let raw = URL_SAFE_NO_PAD.decode(third).expect("base64");
    let (r, s) = raw.split_at(32);
    let signed = |bytes: &[u8]| format!("{first}.{second}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let zero = [0; 32];
    let one = {
        let mut one = zero;
        one[31] = 1;
        one
    };
    let der = [&[0x30, 0x44, 0x02, 0x20], r, &[0x02, 0x20], s].concat();
    let last = char::from_u32(u32::from(third.chars().next_back().expect("a letter")) ^ 1).expect("a letter");
    let jwe =
        json!({ "alg": "RSA-OAEP", "enc": "A256GCM", "zip": "DEF", "kid": stage.stolen.kid }).to_string();
    let pbes =
        json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_147_483_648_u32, "p2s": "AAAA" })
            .to_string();
    let nested = stage.stolen.token(r#"{"alg":"ES256","cty":"JWT","typ":"at+jwt"}"#, &good);
    let table: Vec<(&str, String)> = vec![
        ("T20 r = s = 0", signed(&[0; 64])),
        ("T20 r = 0", signed(&[&zero, s].concat())),
        ("T20 s = 0", signed(&[r, &zero].concat())),
        ("T20 r = s = 1", signed(&[one, one].concat())),
        ("T21 r = n", signed(&[&ORDER, s].concat())),
        ("T21 s = n", signed(&[r, &ORDER].concat())),
        ("T21 both above n", signed(&[0xff; 64])),
        ("T21 DER", signed(&der)),
        ("T21 63 bytes", signed(&raw[..63])),
        ("T21 65 bytes", signed(&[&raw[..], &[0]].concat())),
        ("T21 s before r", signed(&[s, r].concat())),
        ("T38 padding", format!("{first}=.{second}.{third}")),
        ("T38 padding behind", format!("{good}==")),
        ("T38 with padding as it would be", format!("{first}.{second}.{}", URL_SAFE.encode(&raw))),
        ("T38 the other alphabet", format!("{first}.{second}.{}+/", &third[..third.len() - 2])),
        ("T38 stray bits", format!("{first}.{second}.{}{last}", &third[..third.len() - 1])),
        ("T38 a percent code", format!("{first}%2E{second}.{third}")),
        ("T38 empty header", format!(".{second}.{third}")),
        ("T38 empty payload", format!("{first}..{third}")),
        ("T38 dots", "..".to_owned()),
        ("T39 one segment", first.to_owned()),
        ("T39 four segments", format!("{good}.x")),
        ("T39 a JWE", format!("{}.AAAA.AAAA.AAAA.AAAA", URL_SAFE_NO_PAD.encode(&jwe))),
        ("T39 a JWE, three of five", format!("{}.AAAA.AAAA", URL_SAFE_NO_PAD.encode(jwe))),
        ("T40 PBES2", format!("{}.AAAA.AAAA.AAAA.AAAA", URL_SAFE_NO_PAD.encode(pbes))),
        ("T39 six segments", format!("{good}.x.y.z")),
        ("T39 nested", nested),
        ("T41 8 KiB and one", "A".repeat(8_193)),
        ("T41 behind a good one", format!("{good}{}", "A".repeat(8_192))),
        ("T41 dots", ".".repeat(8_000)),
        (
            "T42 the opening of 6,000 arrays",
            format!("{}.{second}.{third}", URL_SAFE_NO_PAD.encode("[".repeat(5_000))),
        ),
        ("twice", format!("{good}{good}")),
        ("a letter", "x".to_owned()),
    ];
    for (what, token) in table {
        stage.refused(what, &token).await;
    }
    for (what, text, status) in [
        ("T38 space inside", format!("{first}.{second} .{third}"), 401),
        ("T38 tab inside", format!("{first}.\t{second}.{third}"), 401),
        (
            "T39 JSON serialization",
            format!(r#"{{"payload":"{second}","protected":"{first}","signature":"{third}"}}"#),
            401,
        ),
        ("T38 newline inside", format!("{first}.\n{second}.{third}"), 400),
        ("T38 CRLF inside", format!("{first}.\r\n {second}.{third}"), 400),
        ("T38 NUL inside", format!("{first}.\0{second}.{third}"), 400),
        ("T38 not ASCII", format!("{first}.{second}.{third}\u{e9}"), 401),
        ("empty", String::new(), 401),
        ("T41 1 MB", "A".repeat(1 << 20), 431),
        ("T41 10 MB", "A".repeat(10 << 20), 431),
    ] {
        stage.entry(what, &bearer(&text), status).await;
    }
    // The edge of what a head may hold: one of two refusals.
    stage.entry("T41 64 KiB", &bearer(&"A".repeat(64 << 10)), &[403, 431][..]).await;
    // One letter changed, at every place.
    for place in (0..good.len()).step_by(7) {
        let mut text = good.clone().into_bytes();
        text[place] = if text[place] == b'A' { b'B' } else { b'A' };
        let text = String::from_utf8(text).expect("ASCII");
        let answer = stage.entry(&format!("T05 another letter at {place}"), &bearer(&text), 403).await;
        is_invalid_token("one letter", &answer);
    }
    eprintln!("T34-T42, form: {} entries", stage.entries);
}

/// T25: keys that are too weak cannot be configured, since the algorithm is one of three.
#[test]
fn t25_no_weak_key_can_be_configured() {
    for algorithm in ["HS256", "RS1", "RS512", "none", "", "es256", "PS256"] {
        let yaml = format!("workspace: {{tokens: {{signing_algorithm: \"{algorithm}\"}}}}");
        let refused = brickyard::config::from_text("test.yaml", &yaml, &brickyard::config::NoEnvironment);
        assert!(refused.is_err(), "{algorithm}");
    }
}

const KIDS: &[&str] = &[
    "../../../../dev/null",
    "/dev/null",
    "/proc/sys/kernel/randomize_va_space",
    "file:///dev/null",
    "x' UNION SELECT '1';--",
    "' OR '1'='1",
    "|sleep 10",
    "$(sleep 10)",
    "`sleep 10`",
    "; sleep 10 #",
    "a\0b",
    "a\r\nX-Injected: b",
    "${jndi:ldap://127.0.0.1/x}",
    "{{secrets/travel/weather-token}}",
    "http://127.0.0.1:1/jwks.json",
    "%00",
    "\u{202e}kid",
];

/// What people take for a secret.
const COMMON_WORDS: &str = "secret password admin 123456 changeme test key jwt token default example private qwerty \
    letmein 12345678 secretkey mysecret supersecret your-256-bit-secret your_jwt_secret jwt_secret JWTSECRET hs256 \
    hmac signing signature sign auth authentication authorization bearer access oauth oidc session cookie csrf salt \
    pepper hash root toor user guest public dev development prod production staging local localhost debug demo sample \
    foo bar foobar baz hello world helloworld abc abc123 a1b2c3 111111 000000 iloveyou welcome monkey dragon master \
    shadow sunshine princess football login passw0rd p@ssw0rd Passw0rd! secret123 topsecret s3cr3t shhhh shhhhh \
    keyboardcat keyboard-cat app application api api-key apikey server service node express django flask rails spring \
    databricks brickyard dapi kubernetes docker aws azure null undefined none";
