//! The tasks of links and connections: carries out what the core says.

use std::collections::BTreeMap;

use pierhead_agent::core::{ConnId, DatabaseNo, Event, Input, Level, LinkNo, Output};
use pierhead_config::Address;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::conn::{self, Order};
use super::dial::Dial;
use super::link;
use crate::limits::{CLOSE_TIMEOUT, LINGER_TIMEOUT};
use crate::log;

/// One database: how its coordinator is dialled, and where it is.
pub(super) struct Target {
    pub(super) dial: Dial,
    pub(super) address: Address,
}

/// The tasks, and what they are told through.
pub(super) struct Tasks {
    targets: Vec<Target>,
    inputs: mpsc::Sender<Input>,
    links: BTreeMap<LinkNo, link::Handle>,
    conns: BTreeMap<ConnId, mpsc::UnboundedSender<Order>>,
    running: JoinSet<()>,
}

impl Tasks {
    pub(super) fn new(targets: Vec<Target>, inputs: mpsc::Sender<Input>) -> Self {
        let (links, conns) = (BTreeMap::new(), BTreeMap::new());
        Self { targets, inputs, links, conns, running: JoinSet::new() }
    }

    /// Does what the core says; true at the end.
    pub(super) fn carry_out(&mut self, output: Output) -> bool {
        match output {
            Output::Dial { link, database } => self.dial(link, database),
            Output::Send { link, message } => {
                if self.links.get(&link).is_some_and(|link| link.send(message).is_err()) {
                    log::event(
                        Level::Warn,
                        None,
                        Some(link.0),
                        "is stuck, too much waits; closing",
                    );
                    self.links.remove(&link);
                }
            }
            Output::Ping { link } => {
                if let Some(link) = self.links.get(&link) {
                    link.ping();
                }
            }
            Output::CloseLink { link } => drop(self.links.remove(&link)),
            Output::Connect { conn, database } => self.connect(conn, database),
            Output::Write { conn, bytes } => self.order(conn, Order::Write(bytes)),
            Output::Read { conn, bytes } => self.order(conn, Order::Read(bytes)),
            Output::Peek { conn } => self.order(conn, Order::Peek),
            Output::Finish { conn } => self.order(conn, Order::Finish),
            Output::Close { conn } => drop(self.conns.remove(&conn)),
            Output::Exit => return true,
            Output::Log(event) => self.log(&event),
        }
        false
    }

    fn dial(&mut self, link: LinkNo, database: DatabaseNo) {
        let Some(target) = self.targets.get(database.0) else { return };
        let (handle, task) = link::open(link, target.dial.clone(), self.inputs.clone());
        self.links.insert(link, handle);
        self.running.spawn(task);
    }

    fn connect(&mut self, conn: ConnId, database: DatabaseNo) {
        let Some(target) = self.targets.get(database.0) else { return };
        let (sender, orders) = mpsc::unbounded_channel();
        self.conns.insert(conn, sender);
        self.running.spawn(conn::run(conn, target.address.clone(), orders, self.inputs.clone()));
    }

    /// An order to a connection that is gone is void: the core learns that it is.
    fn order(&self, conn: ConnId, order: Order) {
        if let Some(orders) = self.conns.get(&conn) {
            let _ = orders.send(order);
        }
    }

    /// Drops the handle of what has ended.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others end nothing")]
    pub(super) fn forget(&mut self, input: &Input) {
        match input {
            Input::LinkClosed { link, .. } | Input::LinkRefused { link, .. } => {
                self.links.remove(link);
            }
            Input::Closed { conn, .. } | Input::ConnectFailed { conn, .. } => {
                self.conns.remove(conn);
            }
            _ => {}
        }
    }

    fn log(&self, event: &Event) {
        let target = event.database.and_then(|database| self.targets.get(database.0));
        let database = target.map(|target| target.dial.database.as_str());
        log::event(event.level, database, event.link.map(|link| link.0), &event.text);
    }

    /// Takes tasks that have ended off the list, for ever; returns if one has a fault.
    pub(super) async fn reap(&mut self) -> String {
        loop {
            match self.running.join_next().await {
                Some(Ok(())) => {}
                Some(Err(error)) => return format!("a task failed, which is a bug: {error}"),
                None => std::future::pending().await,
            }
        }
    }

    /// Closes everything, and gives last words a moment to leave.
    pub(super) async fn end(mut self) -> Result<(), String> {
        self.links.clear();
        self.conns.clear();
        let all = async { while self.running.join_next().await.is_some() {} };
        let _ = timeout(CLOSE_TIMEOUT + LINGER_TIMEOUT, all).await;
        Ok(())
    }
}
