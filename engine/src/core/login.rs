//! A socket's client logs in, where a password is set for sockets.

use pierhead_wire::envelope::SqlState;
use pierhead_wire::pg::scan::Piece;
use pierhead_wire::pg::tag::frontend as tag;

use crate::auth::guard::{Login, Progress, Wrong};
use crate::core::Engine;
use crate::core::wish::refused;
use crate::failure::Failure;
use crate::ids::ClientId;
use crate::limits::LOGIN_BYTES_MAX;
use crate::pool::client::Client;
use crate::pool::session::Why;
use crate::pool::socket::Stage;
use crate::pool::stages::Said;

impl Engine {
    /// Asks a client for its password. What is wrong with its start-up it hears when it has proved
    /// who it is.
    pub(super) fn ask_for_login(&mut self, id: ClientId, user: &str, exists: Result<(), Failure>) {
        let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) else { return };
        let (login, said) = Login::begin(user);
        socket.say(said);
        socket.enter(Stage::Login(Box::new(login), exists), Said::WhoAreYou);
        self.flush_socket(id);
    }

    /// Reads what a client says while it logs in.
    pub(super) fn log_in_socket(&mut self, id: ClientId) {
        loop {
            let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) else {
                return;
            };
            if !matches!(socket.stage, Stage::Login(..)) {
                return;
            }
            let missing = socket.missing();
            let Stage::Login(login, exists) = &mut socket.stage else { return };
            let piece = socket.inbox.peek();
            let progress = match piece {
                None if missing > LOGIN_BYTES_MAX => Err(Wrong::Malformed(TOO_LONG)),
                None => return,
                Some(Piece::Message(message)) if message.tag == tag::TERMINATE => {
                    return self.socket_left(id);
                }
                Some(Piece::Message(message)) if message.raw.len() > LOGIN_BYTES_MAX => {
                    Err(Wrong::Malformed(TOO_LONG))
                }
                Some(Piece::Message(message)) if message.tag == tag::PASSWORD => {
                    login.handle(&message, &mut self.guard, &self.settings, &mut self.rng)
                }
                Some(_) => Err(Wrong::Malformed("a client must log in first")),
            };
            socket.inbox.skip();
            match progress {
                Ok(Progress::More(said)) => {
                    socket.say(said);
                    self.flush_socket(id);
                }
                Ok(Progress::Passed(said)) => {
                    let exists = std::mem::replace(exists, Ok(()));
                    socket.say(said);
                    self.admit_socket(id, exists);
                }
                Err(wrong) => return self.refuse_login(id, wrong),
            }
        }
    }

    fn refuse_login(&mut self, id: ClientId, wrong: Wrong) {
        let failure = match wrong {
            Wrong::Malformed(what) => {
                Failure::Invalid { sqlstate: SqlState::MALFORMED, message: what.into() }
            }
            Wrong::Password => {
                let socket = self.clients.get(&id).and_then(Client::socket);
                let Some(Stage::Login(login, _)) = socket.map(|socket| &socket.stage) else {
                    return;
                };
                let message = format!("password authentication failed for user \"{}\"", login.user);
                let hint = "user and password are those of PIERHEAD_DB_<NAME> and its secret \
                            PIERHEAD_DB_<NAME>_SOCKET_PASSWORD";
                refused(b"28P01", &message, hint)
            }
        };
        self.kill_socket(id, &failure, Why::ClientWrong);
    }
}

const TOO_LONG: &str = "a message that is longer than any of a login";
