//! Checking that the database's replies are those that the messages sent must get.
//!
//! A reply that does not fit means that this side has lost track of whose bytes it reads. There is
//! no repair: the session is closed.
//!
//! For each message sent, at the head of the queue:
//!
//! ```text
//! Parse      1                      Close  3
//! Bind       2                      Sync   Z            (or E Z)
//! Describe   t? (T | n)             Query  any run of statements, then Z
//! Execute    D* (C | I | s)  |  H d* c C  |  G C
//! E anywhere: everything up to the next Sync is skipped; in a Query, only Z may follow
//! ```

use std::collections::VecDeque;

use pierhead_wire::pg::tag::backend as tag;

/// A message sent whose replies are still to come. A byte each: an exchange may have many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expect {
    Parse,
    Bind,
    DescribeStatement,
    DescribePortal,
    Execute { copy_data: bool },
    Close,
    Sync,
    Query { copy_data: bool },
}

/// Where the replies to the head of the queue are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Within {
    /// Nothing of them has come.
    Start,
    /// A statement of a Query is done: another one or the ready point may follow. (Even a Query
    /// without statements is answered before its ready point.)
    Between,
    /// `ParameterDescription` has come.
    Described,
    /// Rows may come.
    Rows,
    /// COPY data comes.
    CopyOut,
    /// COPY data goes, or an end of it that the server has not confirmed.
    CopyIn,
    /// COPY data has all come.
    CopyDone,
    /// An error has come; only a ready point may follow.
    Failed,
}

/// What a reply means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// It answers the client.
    Part,
    /// An error; the rest of its segment is skipped.
    Error,
    /// A ready point; `last` if it is the one that ends the exchange.
    Ready { last: bool },
    /// COPY data is asked for and nothing follows that would end the COPY: end it, and send a
    /// Sync too if `swallowed`, because the server throws away the one that was sent.
    CopyInWithoutData { swallowed: bool },
}

/// The reply does not answer what was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mismatch {
    pub(crate) tag: u8,
}

/// The replies still to come for one run of messages.
#[derive(Debug)]
pub(crate) struct Replies {
    queue: VecDeque<Expect>,
    within: Within,
}

impl Replies {
    pub(crate) fn new(queue: VecDeque<Expect>) -> Self {
        Self { queue, within: Within::Start }
    }

    /// The replies to simple queries.
    pub(crate) fn to_queries(count: usize) -> Self {
        Self::new(std::iter::repeat_n(Expect::Query { copy_data: false }, count).collect())
    }

    /// Takes one message of the database; asynchronous ones are not its business.
    pub(crate) fn accept(&mut self, tag: u8) -> Result<Reply, Mismatch> {
        let mismatch = Mismatch { tag };
        let Some(&head) = self.queue.front() else { return Err(mismatch) };
        if tag == tag::ERROR_RESPONSE {
            return self.error(head).ok_or(mismatch);
        }
        match head {
            Expect::Parse if tag == tag::PARSE_COMPLETE => Ok(self.done()),
            Expect::Bind if tag == tag::BIND_COMPLETE => Ok(self.done()),
            Expect::Close if tag == tag::CLOSE_COMPLETE => Ok(self.done()),
            Expect::Sync if tag == tag::READY_FOR_QUERY => Ok(self.ready()),
            Expect::DescribeStatement => self.describe(tag, true).ok_or(mismatch),
            Expect::DescribePortal => self.describe(tag, false).ok_or(mismatch),
            Expect::Execute { copy_data } => self.execute(tag, copy_data).ok_or(mismatch),
            Expect::Query { copy_data } => self.query(tag, copy_data).ok_or(mismatch),
            Expect::Parse | Expect::Bind | Expect::Close | Expect::Sync => Err(mismatch),
        }
    }

    /// How many ready points are still to come.
    #[cfg(test)]
    fn ready_points(&self) -> usize {
        let is_ready = |e: &&Expect| matches!(e, Expect::Sync | Expect::Query { .. });
        self.queue.iter().filter(is_ready).count()
    }

    fn done(&mut self) -> Reply {
        self.queue.pop_front();
        self.within = Within::Start;
        Reply::Part
    }

    fn ready(&mut self) -> Reply {
        self.done();
        Reply::Ready { last: self.queue.is_empty() }
    }

    fn error(&mut self, head: Expect) -> Option<Reply> {
        if let Expect::Query { .. } = head {
            if self.within == Within::Failed {
                return None;
            }
            self.within = Within::Failed;
            return Some(Reply::Error);
        }
        while !matches!(self.queue.front(), Some(Expect::Sync)) {
            self.queue.pop_front()?;
        }
        self.within = Within::Start;
        Some(Reply::Error)
    }

    fn describe(&mut self, tag: u8, statement: bool) -> Option<Reply> {
        let ready_for_rows = !statement || self.within == Within::Described;
        match tag {
            tag::PARAMETER_DESCRIPTION if statement && self.within == Within::Start => {
                self.within = Within::Described;
                Some(Reply::Part)
            }
            tag::ROW_DESCRIPTION | tag::NO_DATA if ready_for_rows => Some(self.done()),
            _ => None,
        }
    }

    fn execute(&mut self, tag: u8, copy_data: bool) -> Option<Reply> {
        match (self.within, tag) {
            (Within::Start | Within::Rows, tag::DATA_ROW) => {
                self.within = Within::Rows;
                Some(Reply::Part)
            }
            (Within::Start | Within::Rows, tag::COMMAND_COMPLETE | tag::PORTAL_SUSPENDED)
            | (Within::Start, tag::EMPTY_QUERY_RESPONSE)
            | (Within::CopyDone | Within::CopyIn, tag::COMMAND_COMPLETE) => Some(self.done()),
            (Within::Start | Within::CopyOut, _) => self.copy(tag, copy_data, true),
            _ => None,
        }
    }

    fn query(&mut self, tag: u8, copy_data: bool) -> Option<Reply> {
        match (self.within, tag) {
            (Within::Between | Within::Failed, tag::READY_FOR_QUERY) => return Some(self.ready()),
            (Within::Start | Within::Between, tag::ROW_DESCRIPTION)
            | (Within::Rows, tag::DATA_ROW) => {
                self.within = Within::Rows;
            }
            (
                Within::Start | Within::Between | Within::Rows | Within::CopyDone | Within::CopyIn,
                tag::COMMAND_COMPLETE,
            )
            | (Within::Start, tag::EMPTY_QUERY_RESPONSE) => self.within = Within::Between,
            (Within::Start | Within::Between | Within::CopyOut, _) => {
                return self.copy(tag, copy_data, false);
            }
            _ => return None,
        }
        Some(Reply::Part)
    }

    fn copy(&mut self, tag: u8, copy_data: bool, extended: bool) -> Option<Reply> {
        match (self.within, tag) {
            (Within::Start | Within::Between, tag::COPY_OUT_RESPONSE) => {
                self.within = Within::CopyOut;
            }
            (Within::CopyOut, tag::COPY_DATA) => {}
            (Within::CopyOut, tag::COPY_DONE) => self.within = Within::CopyDone,
            (Within::Start | Within::Between, tag::COPY_IN_RESPONSE) => {
                self.within = Within::CopyIn;
                if !copy_data {
                    return Some(self.copy_in_without_data(extended));
                }
            }
            _ => return None,
        }
        Some(Reply::Part)
    }

    /// What the server makes of the messages behind a COPY that gets no data: it throws away every
    /// Sync, and the first other message ends the COPY with an error and is lost with it. (Since
    /// PostgreSQL 14 it costs the whole session, which then ends by itself.)
    fn copy_in_without_data(&mut self, extended: bool) -> Reply {
        // One ready point always answers an extended COPY: that of its last Sync, sent or made up.
        let kept = if extended { 2 } else { 1 };
        while self.queue.len() > kept && self.queue.get(1) == Some(&Expect::Sync) {
            self.queue.remove(1);
        }
        match self.queue.get(1) {
            None => Reply::CopyInWithoutData { swallowed: false },
            Some(Expect::Sync) => Reply::CopyInWithoutData { swallowed: true },
            Some(_) => {
                if !extended {
                    self.queue.remove(1);
                }
                Reply::Part
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENDED: [Expect; 5] = [
        Expect::Parse,
        Expect::Bind,
        Expect::DescribePortal,
        Expect::Execute { copy_data: false },
        Expect::Sync,
    ];

    /// Feeds the replies named by their type bytes; the last one's meaning.
    fn run(expects: &[Expect], tags: &str) -> Result<Reply, Mismatch> {
        let mut replies = Replies::new(expects.iter().copied().collect());
        let mut last = Ok(Reply::Part);
        for tag in tags.bytes() {
            last = replies.accept(tag);
            if last.is_err() {
                break;
            }
        }
        last
    }

    #[test]
    fn honest_replies_reach_the_ready_point() {
        for tags in
            ["12TDDCZ", "12nCZ", "12nIZ", "12TDsZ", "12TCZ", "EZ", "1EZ", "12TDEZ", "12nCEZ"]
        {
            assert_eq!(run(&EXTENDED, tags), Ok(Reply::Ready { last: true }), "{tags}");
        }
        let query = [Expect::Query { copy_data: false }];
        for tags in ["TDDCZ", "CZ", "IZ", "EZ", "TDCTDDCCZ", "TDEZ", "HddcCZ", "HdEZ", "CTDCEZ"] {
            assert_eq!(run(&query, tags), Ok(Reply::Ready { last: true }), "{tags}");
        }
    }

    #[test]
    fn any_other_reply_is_a_mismatch() {
        for tags in
            ["2", "1D", "12D", "12TT", "12TDZ", "12TDCC", "12TDCZZ", "12TDCZC", "t", "R", "EC"]
        {
            assert!(run(&EXTENDED, tags).is_err(), "{tags}");
        }
        let query = [Expect::Query { copy_data: false }];
        for tags in ["Z", "CI", "D", "TZ", "1", "EE", "EC", "HZ", "dc", "TDCD"] {
            assert!(run(&query, tags).is_err(), "{tags}");
        }
    }

    #[test]
    fn an_error_skips_to_the_next_sync_only() {
        let two: Vec<Expect> = EXTENDED.iter().chain(&EXTENDED).copied().collect();
        assert_eq!(run(&two, "1EZ"), Ok(Reply::Ready { last: false }));
        assert_eq!(run(&two, "1EZ12TDCZ"), Ok(Reply::Ready { last: true }));
    }

    #[test]
    fn copy_in_without_data_asks_for_an_end() {
        assert_eq!(run(&EXTENDED, "12nG"), Ok(Reply::CopyInWithoutData { swallowed: true }));
        assert_eq!(run(&EXTENDED, "12nGEZ"), Ok(Reply::Ready { last: true }));
        let query = [Expect::Query { copy_data: false }];
        assert_eq!(run(&query, "G"), Ok(Reply::CopyInWithoutData { swallowed: false }));
        assert_eq!(run(&query, "GEZ"), Ok(Reply::Ready { last: true }));
        assert_eq!(run(&[query[0], Expect::Sync], "GEZ"), Ok(Reply::Ready { last: true }));
        let with_data = [Expect::Query { copy_data: true }, Expect::Sync];
        assert_eq!(run(&with_data, "GCZZ"), Ok(Reply::Ready { last: true }));
    }

    #[test]
    fn what_follows_a_copy_without_data_ends_it() {
        // Execute, then Parse: the server fails at the Parse and answers the Sync it was sent.
        let mut more: Vec<Expect> = EXTENDED[..4].to_vec();
        more.extend(EXTENDED);
        assert_eq!(run(&more, "12nG"), Ok(Reply::Part));
        assert_eq!(run(&more, "12nGEZ"), Ok(Reply::Ready { last: true }));
        // With a Sync between: that one is thrown away.
        let two: Vec<Expect> = EXTENDED.iter().chain(&EXTENDED).copied().collect();
        assert_eq!(run(&two, "12nG"), Ok(Reply::Part));
        assert_eq!(run(&two, "12nGEZ"), Ok(Reply::Ready { last: true }));
        // A Query behind a Query's COPY is lost with it.
        let query = Expect::Query { copy_data: false };
        assert_eq!(run(&[query, query], "GEZ"), Ok(Reply::Ready { last: true }));
        assert_eq!(run(&[query, query, query], "GEZCZ"), Ok(Reply::Ready { last: true }));
    }

    #[test]
    fn ready_points_are_counted() {
        let mut replies = Replies::to_queries(2);
        assert_eq!(replies.ready_points(), 2);
        replies.accept(b'C').unwrap();
        replies.accept(b'Z').unwrap();
        assert_eq!(replies.ready_points(), 1);
    }
}
