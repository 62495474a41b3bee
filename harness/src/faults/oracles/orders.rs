//! Each request creates one order, even if it is sent, delivered or answered several times.

use std::collections::{BTreeMap, BTreeSet};

use super::super::evidence::{Evidence, Outcome};
use super::{Finding, none_of};

const NAME: &str = "orders";

/// Checks that each request has one order if a reply names one, at most one otherwise, and that each order has a
/// request.
///
/// The orders of a load client do not name their requests. For these, all replies to a record must name the same order,
/// and there must not be more orders without a reply than records without a good reply.
pub(in super::super) fn orders(evidence: &Evidence) -> Vec<Finding> {
    let foreign: BTreeSet<&str> = evidence
        .records
        .iter()
        .filter(|record| record.foreign)
        .map(|record| &*record.id)
        .collect();
    let own: BTreeMap<&str, &str> = evidence
        .records
        .iter()
        .filter(|record| !record.foreign)
        .map(|record| (&*record.id, &*record.request))
        .collect();
    let named = named(evidence);
    let several = |ids: &BTreeSet<&str>| ids.len() > 1;

    let disagreeing = named.iter().filter(|(_, ids)| several(ids));
    let shown = |(id, ids): (&&str, &BTreeSet<&str>)| format!("{id} {ids:?}");
    let disagreeing: Vec<String> = disagreeing.map(shown).collect();

    let mut known: BTreeSet<&str> = own.values().copied().collect();
    if evidence.requests_gone.is_some() || evidence.alone.is_some() {
        // Records may be gone with the topic, or with its leader. The first record of a request has the request's id.
        known.extend(evidence.due.keys().map(String::as_str));
    }
    let mut stored: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut of_nobody = Vec::new();
    let mut of_clients: BTreeSet<&str> = BTreeSet::new();
    for order in &evidence.orders {
        if known.contains(&*order.request) {
            stored.entry(&order.request).or_default().insert(&order.id);
        } else if order.request == super::super::client::SKU {
            of_clients.insert(&order.id);
        } else {
            of_nobody.push(order.request.clone());
        }
    }
    let twice = stored.iter().filter(|(_, ids)| several(ids));
    let twice: Vec<String> = twice.map(shown).collect();
    let swapped = named.iter().filter_map(|(id, ids)| {
        let request = own.get(id)?;
        let stored = stored.get(request);
        let same = stored.is_none_or(|stored| ids.is_subset(stored));
        (!same).then(|| format!("{id} {ids:?}"))
    });
    let swapped: Vec<String> = swapped.collect();
    let findings = [
        none_of(NAME, "requests created several orders", &twice),
        none_of(
            NAME,
            "replies to a record name several orders",
            &disagreeing,
        ),
        none_of(NAME, "replies name another request's order", &swapped),
        none_of(NAME, "orders have no request", &of_nobody),
        // Load clients' records that are gone cannot be matched with orders.
        (evidence.requests_gone.is_none() && evidence.alone.is_none())
            .then(|| unnamed(&foreign, &named, &of_clients))
            .flatten(),
    ];
    findings.into_iter().flatten().collect()
}

/// The orders that the replies to each record name.
fn named(evidence: &Evidence) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut named: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for answer in &evidence.answers {
        if let Outcome::Reply {
            status: 200,
            order: Some(order),
        } = &answer.outcome
        {
            named.entry(&answer.id).or_default().insert(order);
        }
    }
    named
}

fn unnamed(
    foreign: &BTreeSet<&str>,
    named: &BTreeMap<&str, BTreeSet<&str>>,
    stored: &BTreeSet<&str>,
) -> Option<Finding> {
    let told: BTreeSet<&str> = foreign
        .iter()
        .filter_map(|id| named.get(id))
        .flatten()
        .copied()
        .collect();
    let open = foreign
        .iter()
        .filter(|id| !named.contains_key(**id))
        .count();
    let extra: Vec<String> = stored
        .difference(&told)
        .map(|id| (*id).to_owned())
        .collect();
    if extra.len() <= open {
        return None;
    }
    none_of(NAME, "orders of load clients have no reply", &extra)
}

#[cfg(test)]
mod tests {
    use super::super::super::client::SKU;
    use super::super::super::evidence::Order;
    use super::super::super::evidence::Span;
    use super::super::examples::{order, record, reply, sound};
    use super::*;

    #[test]
    fn a_sound_round_has_nothing_to_object_to() {
        assert!(orders(&sound()).is_empty());
    }

    #[test]
    fn a_request_that_is_sent_twice_makes_one_order() {
        let mut evidence = sound();
        let mut again = record("a-again", 0, 2);
        again.request = "a".to_owned();
        evidence.records.push(again);
        let mut second = reply("a-again", 12);
        second.outcome = evidence.answers[0].outcome.clone();
        evidence.answers.push(second);
        assert!(orders(&evidence).is_empty());

        evidence.answers[2] = reply("a-again", 12);
        evidence.orders.push(Order {
            id: "order-a-again".to_owned(),
            request: "a".to_owned(),
        });
        let findings = orders(&evidence);
        assert!(findings[0].text.contains("several orders"), "{findings:?}");
    }

    #[test]
    fn replies_to_one_record_name_one_order_and_their_own() {
        let mut evidence = sound();
        let mut other = reply("a", 12);
        other.outcome = evidence.answers[1].outcome.clone();
        evidence.answers.push(other);
        let findings = orders(&evidence);
        assert_eq!(findings.len(), 2, "{findings:?}");
    }

    #[test]
    fn an_order_of_nobody_is_found() {
        let mut evidence = sound();
        evidence.orders.push(order("z"));
        assert!(orders(&evidence)[0].text.contains("no request: z"));
    }

    #[test]
    fn a_load_clients_order_was_told_to_somebody() {
        let mut evidence = sound();
        let mut client = record("uuid", 0, 2);
        client.foreign = true;
        evidence.records.push(client);
        let stored = |id: &str| Order {
            id: id.to_owned(),
            request: SKU.to_owned(),
        };
        evidence.orders.push(stored("order-uuid"));
        // It is not answered yet, so the order may belong to it.
        assert!(orders(&evidence).is_empty());
        evidence.answers.push(reply("uuid", 12));
        assert!(orders(&evidence).is_empty());
        evidence.orders.push(stored("order-uuid-again"));
        assert!(orders(&evidence)[0].text.contains("order-uuid-again"));
    }
    #[test]
    fn an_order_whose_request_an_unclean_election_lost_is_somebodys() {
        let mut evidence = sound();
        evidence.records.pop();
        evidence.due.insert("b".to_owned(), 5);
        assert!(orders(&evidence)[0].text.contains("no request: b"));
        evidence.alone = Some(Span { begin: 0, end: 9 });
        assert!(orders(&evidence).is_empty());
    }
}
