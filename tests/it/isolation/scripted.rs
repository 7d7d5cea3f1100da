//! The same scripted agent, asked by everybody at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use brickyard_testkit::Kit;

use super::crowd::{ask, ask_and_leave, check_ledger, check_own};
use crate::load::{Chance, PEOPLE, body, canary, foreign, name, scale, tokens, workspace};

const CLIENTS: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hears_another_callers_words_or_name_from_a_scripted_agent() {
    let kit = Arc::new(Kit::start(&workspace(None, "")).await);
    let tokens: Arc<[String]> = tokens(&kit).into();
    let requests = scale(20_000, 100_000);
    let (next, left, answered) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let clients = (0..CLIENTS).map(|client| {
        let (kit, tokens) = (Arc::clone(&kit), Arc::clone(&tokens));
        let (next, left, answered) = (Arc::clone(&next), Arc::clone(&left), Arc::clone(&answered));
        tokio::spawn(async move {
            let mut chance = Chance::of(client);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return;
                }
                let person = chance.below(PEOPLE);
                let (token, own) = (&tokens[person], canary(person, number));
                let whoami = chance.one_in(3);
                let text = if whoami { format!("whoami {own}") } else { own.clone() };
                let body = body(&text, chance.one_in(5));
                if chance.one_in(10) {
                    let heard =
                        ask_and_leave(&kit, "echo", token, &body, Duration::from_millis(4), &mut chance)
                            .await;
                    assert_eq!(foreign(&heard, person), None, "{} was answered: {heard}", name(person));
                    left.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let reply = ask(&kit, "echo", token, &body).await;
                assert_eq!(reply.status, 200, "{}", reply.text);
                let expected = if whoami { name(person) } else { own };
                assert!(reply.text.contains(&expected), "{expected} asked, and was answered: {}", reply.text);
                check_own(&kit, person, &reply);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for client in futures_util::future::join_all(clients).await {
        client.expect("a client that was satisfied");
    }
    let checked = check_ledger(&kit);
    let (left, answered) = (left.load(Ordering::Relaxed), answered.load(Ordering::Relaxed));
    println!(
        "{requests} requests of {PEOPLE} people: {answered} answered, {left} left early, {checked} ledger entries"
    );
    assert_eq!(left + answered, requests);
    Arc::into_inner(kit).expect("nobody else holds it").stop().await;
}
