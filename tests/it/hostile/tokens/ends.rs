//! T22, T45 to T49: how tokens end.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use brickyard_testkit::Kit;
use brickyard_types::SignedDuration;
use serde_json::json;

use super::super::forge::{SigningKey, twin};
use super::super::stage::{ANA, CLIENT_SECRET, Expected, OTHER_ID, PAT, Stage};
use super::super::wire::{form, json as json_request, request};
use super::{INVOKE, bearer, is_invalid_token};

const ME: &str = "/api/2.0/preview/scim/v2/Me";
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// T22, T45, T46, T48, T49: what ends with what.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_who_is_revoked_deleted_or_disabled_is_nobody_at_once() {
    let mut stage = Stage::set("").await;
    let revoke = |token: &str| {
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        request("POST", "/oidc/v1/revoke", &headers, form(&[("token", token)]).as_bytes())
    };

    // T22: the high-s twin dies with its sister.
    let good = stage.kit.token(ANA);
    let (signed, third) = good.rsplit_once('.').expect("three parts");
    let twin =
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(twin(&URL_SAFE_NO_PAD.decode(third).expect("base64"))));
    let before = stage.kit.post(INVOKE, &twin, &json!({})).await.status;
    assert!([200, 403].contains(&before), "accepted or refused, and nothing else");
    stage.accepted("T22 the token itself", &good).await;
    stage.entry("T45 revoke", &revoke(&good), 200).await;
    stage.refused("T22 the twin of a revoked token", &twin).await;
    stage.refused("T45 a revoked token", &good).await;
    stage.entry("T45 revoke what is revoked", &revoke(&good), 200).await;
    stage.entry("T45 revoke nonsense", &revoke("nonsense"), 200).await;

    // T46.
    let flip = |at: usize| {
        let mut text = PAT.as_bytes().to_vec();
        text[at] = if text[at] == b'0' { b'1' } else { b'0' };
        String::from_utf8(text).expect("ASCII")
    };
    stage.accepted("T46 the token itself", PAT).await;
    let table = [
        ("first letter", flip(4)),
        ("last letter", flip(PAT.len() - 1)),
        ("truncated", PAT[..PAT.len() - 1].to_owned()),
        ("half", PAT[..20].to_owned()),
        ("prefix alone", "dapi".to_owned()),
        ("longer", format!("{PAT}0")),
        ("with the suffix of newer ones", format!("{PAT}-2")),
        ("capitals", PAT.to_uppercase()),
        ("capital hexadecimal", format!("dapi{}", PAT[4..].to_uppercase())),
        ("a client secret", CLIENT_SECRET.to_owned()),
        ("dotted like a JWT", format!("{PAT}.e30.AA")),
        ("very long", format!("dapi{}", "0".repeat(9_000))),
    ];
    for (what, text) in table {
        // (The canary is Ana's token as it is: what is refused here is another text.)
        let answer = stage.entry(&format!("T46 {what}"), &bearer(&text), 403).await;
        is_invalid_token(what, &answer);
    }
    stage
        .entry("T46 trailing space", &bearer(&format!("{PAT} ")), Expected { status: &[200], calls: 1 })
        .await;

    // T45: personal access token deleted, user disabled, service principal deleted.
    let made = stage.kit.post("/api/2.0/token/create", &stage.ana, &json!({ "comment": "T45" })).await.json();
    let pat = made["token_value"].as_str().expect("a token").to_owned();
    stage.canaries.add("a new personal access token", pat.as_bytes());
    stage.accepted("T45 a new personal access token", &pat).await;
    let delete = json!({ "token_id": made["token_info"]["token_id"] }).to_string();
    stage
        .entry(
            "T45 delete it",
            &json_request("POST", "/api/2.0/token/delete", &stage.ana.clone(), delete),
            200,
        )
        .await;
    stage.refused("T45 a deleted personal access token", &pat).await;

    let bob = stage.kit.principal("bob@example.com");
    let token = stage.kit.token("bob@example.com");
    stage.entry("T45 bob before", &json_request("GET", ME, &token, ""), 200).await;
    let patch = json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "replace", "path": "active", "value": false }] });
    stage.prepare("PATCH", &format!("/api/2.0/preview/scim/v2/Users/{}", bob.id), &patch).await;
    stage.refused("T45 a disabled user's token, seen before", &token).await;

    let other = stage.kit.principal(OTHER_ID);
    let token = stage.kit.token(OTHER_ID);
    stage.entry("T45 other before", &json_request("GET", ME, &token, ""), 200).await;
    let gone = json_request(
        "DELETE",
        &format!("/api/2.0/preview/scim/v2/ServicePrincipals/{}", other.id),
        &stage.admin,
        "",
    );
    stage.entry("T45 delete a service principal", &gone, &[200, 204][..]).await;
    stage.refused("T45 a deleted service principal's token", &token).await;

    // T48: another workspace, with the same people.
    let elsewhere = Kit::start(&format!("workspace: {{id: \"42\"}}\nusers: [{{user_name: {ANA}}}]")).await;
    let token = elsewhere.token(ANA);
    stage.refused("T48 a token of another workspace", &token).await;
    elsewhere.stop().await;
    stage.refused("T48 a token of a workspace that is gone", &token).await;

    // T26 by the clock itself.
    let token = stage.kit.scoped_token(ANA, "all-apis", SignedDuration::from_mins(2));
    stage.accepted("T26 in time", &token).await;
    stage.clock.advance(SignedDuration::from_mins(4));
    stage.refused("T26 expired, seen before", &token).await;

    // T49: a flood of unknown keys leads nowhere.
    let mine = SigningKey::own("unknown");
    let payload = stage.claims().to_string();
    for number in 0..100 {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("unknown-{number}") });
        let answer = stage.entry("T49", &bearer(&mine.token(header.to_string(), &payload)), 403).await;
        is_invalid_token("T49", &answer);
    }
    eprintln!("T45-T49, ends: {} entries", stage.entries);
}
