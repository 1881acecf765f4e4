use sluice_store::{StoreError, Transaction, Write};

use crate::{append, open};

#[tokio::test]
async fn events_come_back_in_order_and_only_from_their_stream() {
    let (_folder, store) = open();
    store.append(append("run/1", 0, &["a", "b"], &[]), vec![]).await.unwrap();
    store.append(append("run/10", 0, &["x"], &[]), vec![]).await.unwrap();
    assert_eq!(store.append(append("run/1", 2, &["c"], &[]), vec![]).await.unwrap().0, 3);
    let events = store.events("run/1", 1).await.unwrap();
    let seen: Vec<_> = events.iter().map(|event| (event.sequence, event.body.as_str())).collect();
    assert_eq!(seen, [(2, "b"), (3, "c")]);
    assert_eq!(store.streams("run/").await.unwrap(), ["run/1", "run/10"]);
    assert!(store.streams("delivery/").await.unwrap().is_empty());
}

#[tokio::test]
async fn of_two_who_decided_on_the_same_state_one_is_told_to_look_again() {
    let (_folder, store) = open();
    let tries = (0..20).map(|_| store.append(append("s", 0, &["mine"], &[]), vec![]));
    let results = join_all(tries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for refusal in results.into_iter().filter_map(Result::err) {
        assert!(matches!(refusal, StoreError::Conflict { expected: 0, found: 1, .. }), "{refusal}");
    }
}

#[tokio::test]
async fn a_refused_part_takes_the_whole_transaction_with_it() {
    let (_folder, store) = open();
    store.append(append("taken", 0, &["first"], &[]), vec![]).await.unwrap();
    let name: sluice_model::RepositoryName = "acme/shop".parse().unwrap();
    let transaction = Transaction {
        appends: vec![append("fresh", 0, &["a"], &[(0, "e")]), append("taken", 0, &["b"], &[])],
        writes: vec![Write::AddRepository { name, at: crate::NOW }],
    };
    assert!(store.commit(transaction).await.is_err());
    assert!(store.events("fresh", 0).await.unwrap().is_empty());
    assert!(store.pending_effects().await.unwrap().is_empty());
    assert!(store.repositories().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_effect_waits_until_it_is_acknowledged() {
    let (_folder, store) = open();
    let (_, effects) =
        store.append(append("s", 0, &["a", "b"], &[(1, "one"), (1, "two")]), vec![]).await.unwrap();
    assert_eq!(store.pending_effects().await.unwrap(), effects);
    assert_eq!(effects[0].key.to_string(), "s#2.0");
    store.write(Write::Acknowledge(effects[0].key.clone())).await.unwrap();
    store.write(Write::Acknowledge(effects[0].key.clone())).await.unwrap();
    assert_eq!(store.pending_effects().await.unwrap(), effects[1..]);
}

#[tokio::test]
async fn a_counter_never_gives_a_number_twice() {
    let (_folder, store) = open();
    let mut numbers: Vec<u64> =
        join_all((0..50).map(|_| store.next("run"))).await.into_iter().map(Result::unwrap).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    assert_eq!(store.next("other").await.unwrap(), 1);
}

/// All at once, so that they meet in one group of the writer.
async fn join_all<T>(futures: impl Iterator<Item: Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if results.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    results.into_iter().flatten().collect()
}
