//! What a test asks of the shell's thread.

use std::rc::Rc;

use bytes::Bytes;
use pierhead_engine::ids::ClientId;
use pierhead_engine::{Input, Status, Terms};
use tokio::sync::{mpsc, oneshot};

use super::answers::Reply;
use super::shell::Shell;
use super::{listen, timer};

/// A question or an order.
#[derive(Debug)]
pub(super) enum Command {
    Listen { listener: std::net::TcpListener, terms: Terms },
    Exchange { request: Bytes, lease: Option<u64>, reply: Reply },
    Lease { terms: Terms, reply: oneshot::Sender<u64> },
    LeaseGone { lease: u64 },
    Status { reply: oneshot::Sender<Status> },
    CutStreams,
}

/// Runs the shell until nobody can order anything any more.
pub(super) async fn run(
    shell: Rc<Shell>,
    mut inbox: mpsc::UnboundedReceiver<Command>,
    listeners: Vec<(std::net::TcpListener, Terms)>,
) {
    tokio::task::spawn_local(timer::run(shell.clone(), shell.born()));
    for (listener, terms) in listeners {
        tokio::task::spawn_local(listen::run(shell.clone(), listener, terms));
    }
    // `min_idle` is due from the start.
    shell.time_passed();
    while let Some(command) = inbox.recv().await {
        obey(&shell, command);
    }
}

fn obey(shell: &Rc<Shell>, command: Command) {
    match command {
        Command::Listen { listener, terms } => {
            tokio::task::spawn_local(listen::run(shell.clone(), listener, terms));
        }
        Command::Exchange { request, lease, reply } => {
            let client = shell.next_client();
            shell.expect_answer(client, reply);
            shell.feed(Input::ClientOpened { client, request, lease: lease.map(ClientId) });
        }
        Command::Lease { terms, reply } => {
            let lease = shell.next_client();
            shell.feed(Input::LeaseOpened { lease, terms });
            // Who gave up waiting is not told.
            let _ = reply.send(lease.0);
        }
        Command::LeaseGone { lease } => shell.feed(Input::ClientGone { client: ClientId(lease) }),
        Command::Status { reply } => drop(reply.send(shell.status())),
        Command::CutStreams => shell.cut_streams(),
    }
}
