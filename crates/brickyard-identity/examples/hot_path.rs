//! What the hot path costs here, in nanoseconds a call: `cargo run --release -p brickyard-identity --example hot_path`.
//! With an argument, that many personal access tokens exist besides.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use brickyard_identity::{Act, Identity, IdentityConfig, IdentitySlots, ImportedPat, MasterKey, NewUser};
use brickyard_store::{MemoryJournal, Store};
use brickyard_types::{
    BearerToken, EndpointId, ScopeSet, SignedDuration, SystemClock, SystemEntropy, WorkerId, WorkspaceId,
};

fn measure<T>(what: &str, times: u32, mut call: impl FnMut() -> T) {
    let mut best = u128::MAX;
    for _ in 0..5 {
        let begin = Instant::now();
        for _ in 0..times {
            std::hint::black_box(call());
        }
        best = best.min(begin.elapsed().as_nanos() / u128::from(times));
    }
    println!("{best:>8} ns  {what}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens: u32 = std::env::args().nth(1).map_or(Ok(0), |text| text.parse())?;
    let mut builder = Store::builder();
    let slots = IdentitySlots::register(&mut builder);
    let store = builder.open(MemoryJournal::new()).await?;
    let config = IdentityConfig::new(WorkspaceId(1), "account", "http://localhost:8080");
    let master = Arc::new(MasterKey::ephemeral(&SystemEntropy));
    let identity =
        Identity::open(store, slots, config, master, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
    let ana = identity.create_user(NewUser::named("ana@example.com".parse()?)).await?;
    for thousand in 0..tokens / 1000 {
        let many = (0..1000).map(|number| {
            ImportedPat::new(ana.id, format!("dapi{thousand:016x}{number:016x}").as_str().into())
        });
        identity.import_pats(many.collect()).await?;
    }
    let pat = identity.create_pat(&ana, "", None, None).await?.token;
    let hour = SignedDuration::from_hours(1);
    let minted = identity.mint(&ana, ScopeSet::all_apis(), hour)?;
    let declared = ScopeSet::parse("sql genie")?;
    let act = Act { endpoint_id: EndpointId::random(&SystemEntropy), endpoint_name: "concierge".parse()? };
    let latest = minted.caller.expires_at().ok_or("an access token ends")?;
    let worker = WorkerId("worker".into());

    measure("authenticate, seen personal access token", 200_000, || identity.authenticate(&pat));
    measure("authenticate, seen access token", 200_000, || identity.authenticate(&minted.token));
    let stranger = BearerToken::new("dapi00000000000000000000000000000000");
    measure("authenticate, unknown personal access token", 100_000, || identity.authenticate(&stranger));
    measure("downscope, unsigned", 100_000, || identity.downscope(&minted.caller, &declared, &act, latest));
    measure("downscope, signed", 2_000, || {
        identity.downscope(&minted.caller, &declared, &act, latest).map(|token| token.token().clone())
    });
    measure("passthrough, current token", 100_000, || identity.passthrough(&ana, &worker));
    measure("mint", 2_000, || identity.mint(&ana, ScopeSet::all_apis(), hour));
    Ok(())
}
