//! Who holds sessions and who waits for one, and how an error says so in one line.

use std::fmt::Write as _;

use crate::ids::ClientId;
use crate::limits::{CLASS_BYTES_MAX, NAMED_MAX};
use crate::pool::classes::cut;
use crate::time::Millis;

/// A client that holds a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Which.
    pub client: ClientId,
    /// Its authenticated identity; empty if it has none.
    pub class: String,
    /// The name that its caller gave itself.
    pub caller: Option<String>,
    /// For how long.
    pub held: Millis,
    /// What it does with it; empty if that is not known.
    pub doing: &'static str,
}

/// A client that waits for a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiter {
    /// Which.
    pub client: ClientId,
    /// Its authenticated identity; empty if it has none.
    pub class: String,
    /// The name that its caller gave itself.
    pub caller: Option<String>,
    /// For how long.
    pub waited: Millis,
    /// What it waits for; empty if that is just a session.
    pub waits_for: &'static str,
}

impl Holder {
    /// What it calls itself, or else its class; empty if it has neither.
    #[must_use]
    pub fn name(&self) -> &str {
        cut(self.caller.as_deref().unwrap_or(&self.class), CLASS_BYTES_MAX)
    }
}

impl Waiter {
    /// What it calls itself, or else its class; empty if it has neither.
    #[must_use]
    pub fn name(&self) -> &str {
        cut(self.caller.as_deref().unwrap_or(&self.class), CLASS_BYTES_MAX)
    }
}

/// `10 of 10 sessions are leased; longest: 5200 ms by "api" (idle in transaction), 12 ms by a client
/// without a name`: the holders of longest standing, [`NAMED_MAX`] at most.
pub(crate) fn describe_holders(cap: usize, holders: &[Holder]) -> String {
    let mut text = format!("{} of {cap} sessions are leased", holders.len());
    name_longest(&mut text, holders.iter().map(Mention::of_holder));
    text
}

/// `3 clients wait; longest: 900 ms by "api"`: the waiters of longest standing, [`NAMED_MAX`] at
/// most.
pub(crate) fn describe_waiters(waiters: &[Waiter]) -> String {
    let mut text = match waiters.len() {
        1 => "1 client waits".into(),
        many => format!("{many} clients wait"),
    };
    name_longest(&mut text, waiters.iter().map(Mention::of_waiter));
    text
}

struct Mention<'a> {
    client: ClientId,
    name: &'a str,
    time: Millis,
    what: &'static str,
}

impl<'a> Mention<'a> {
    fn of_holder(holder: &'a Holder) -> Self {
        Self { client: holder.client, name: holder.name(), time: holder.held, what: holder.doing }
    }

    fn of_waiter(waiter: &'a Waiter) -> Self {
        Self {
            client: waiter.client,
            name: waiter.name(),
            time: waiter.waited,
            what: waiter.waits_for,
        }
    }
}

/// Of those who took equally long, whoever came first is named first.
fn name_longest<'a>(text: &mut String, all: impl Iterator<Item = Mention<'a>>) {
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|one| (u64::MAX - one.time.0, one.client));
    for (index, one) in all.iter().take(NAMED_MAX).enumerate() {
        text.push_str(if index == 0 { "; longest: " } else { ", " });
        let _ = match one.name {
            "" => write!(text, "{} ms by a client without a name", one.time.0),
            name => write!(text, "{} ms by {name:?}", one.time.0),
        };
        if !one.what.is_empty() {
            let _ = write!(text, " ({})", one.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(client: u64, name: &str, held: u64, doing: &'static str) -> Holder {
        let caller = (!name.is_empty()).then(|| name.to_owned());
        Holder { client: ClientId(client), class: String::new(), caller, held: Millis(held), doing }
    }

    #[test]
    fn the_three_longest_holders_are_named() {
        let holders = [
            holder(1, "", 12, ""),
            holder(2, "late", 3, "running"),
            holder(3, "cron", 300, "running"),
            holder(4, "api", 5200, "idle in transaction"),
        ];
        assert_eq!(
            describe_holders(10, &holders),
            "4 of 10 sessions are leased; longest: 5200 ms by \"api\" (idle in transaction), \
             300 ms by \"cron\" (running), 12 ms by a client without a name"
        );
        assert_eq!(describe_holders(2, &[]), "0 of 2 sessions are leased");
    }

    #[test]
    fn a_holder_without_a_name_of_its_own_goes_by_its_class() {
        let holder = Holder { class: "reports".into(), ..holder(1, "", 7, "") };
        let text = describe_holders(1, &[holder]);
        assert_eq!(text, "1 of 1 sessions are leased; longest: 7 ms by \"reports\"");
    }

    #[test]
    fn a_name_cannot_break_out_of_its_quotes_or_flood_the_line() {
        let text = describe_holders(1, &[holder(1, "a\"\nb", 1, "")]);
        assert!(text.ends_with(r#"by "a\"\nb""#), "{text}");
        let text = describe_holders(1, &[holder(1, &"é".repeat(1_000), 1, "")]);
        assert!(text.len() < 150 && text.ends_with("é\""), "{text}");
    }

    #[test]
    fn whoever_came_first_is_named_first() {
        let holders = [holder(9, "b", 5, ""), holder(2, "c", 5, ""), holder(4, "a", 5, "")];
        let text = describe_holders(3, &holders);
        assert!(text.ends_with("5 ms by \"c\", 5 ms by \"a\", 5 ms by \"b\""), "{text}");
    }

    #[test]
    fn waiters_are_named_in_the_same_way() {
        let waiter = |client, class: &str, waited, waits_for| Waiter {
            client: ClientId(client),
            class: class.into(),
            caller: None,
            waited: Millis(waited),
            waits_for,
        };
        let one = waiter(1, "api", 900, "a session");
        assert_eq!(
            describe_waiters(std::slice::from_ref(&one)),
            "1 client waits; longest: 900 ms by \"api\" (a session)"
        );
        assert_eq!(
            describe_waiters(&[waiter(2, "", 20, ""), one]),
            "2 clients wait; longest: 900 ms by \"api\" (a session), 20 ms by a client without a name"
        );
    }
}
