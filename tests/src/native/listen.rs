//! Clients' connections.

use std::rc::Rc;
use std::time::Duration;

use pierhead_engine::ids::ClientId;
use pierhead_engine::{Input, Terms};
use tokio::net::{TcpListener, TcpStream};

use super::pipe::{Happened, Pipe};
use super::shell::Shell;

/// How long a client may take to notice that its connection was closed.
const LINGER: Duration = Duration::from_secs(60);

/// Accepts connections, for ever.
pub(super) async fn run(shell: Rc<Shell>, listener: std::net::TcpListener, terms: Terms) {
    let listener = TcpListener::from_std(listener).expect("inside a runtime");
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                tokio::task::spawn_local(serve(shell.clone(), socket, terms.clone()));
            }
            // Out of descriptors, most likely: leave time for some to come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(shell: Rc<Shell>, socket: TcpStream, terms: Terms) {
    let pipe = Pipe::new(socket);
    let client = shell.next_client();
    shell.add_socket(client, pipe.clone());
    shell.feed(Input::SocketOpened { client, terms });
    carry(&shell, client, &pipe).await;
}

async fn carry(shell: &Rc<Shell>, client: ClientId, pipe: &Pipe) {
    loop {
        let happened = pipe.next(&shell.scratch).await;
        // The engine hears nothing more of a client that it has closed.
        let known = shell.has_socket(client);
        match happened {
            Happened::Data(bytes) if known => shell.feed(Input::SocketData { client, bytes }),
            Happened::Took(bytes) if known => shell.feed(Input::ClientTook { client, bytes }),
            Happened::Data(_) | Happened::Took(_) => {}
            Happened::Closed => {
                drop(tokio::time::timeout(LINGER, pipe.linger()).await);
                return;
            }
            Happened::Ended | Happened::Broke(_) => {
                if known {
                    shell.feed(Input::ClientGone { client });
                }
                return;
            }
        }
    }
}
