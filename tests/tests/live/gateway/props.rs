//! What a binding's props allow, over sockets and over RPC, and who tries to get around them.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{config, connect};
use crate::world::{Setup, World, live};

/// What the Worker of this name hears when it asks.
async fn asks(world: &World, worker: &str, path: &str, parameters: &[(&str, &str)]) -> String {
    let path = pierhead_tests::http::path_with_query(path, parameters);
    world.http(worker).get(&path).await.unwrap().ok().unwrap().text()
}

#[test]
fn a_binding_for_one_database_has_it_in_every_way_and_no_other() {
    live(async {
        let world = Setup::new()
            .database("orders")
            .gateway_caller("shop", json!({ "databases": ["main"], "caller": "checkout" }))
            .start()
            .await;
        let sql = "select 40 + 2 as n";
        for path in ["/rpc", "/lease", "/connect", "/socket"] {
            let parameters = [("db", "main"), ("user", "scram_user"), ("sql", sql)];
            let heard = asks(&world, "shop", path, &parameters).await;
            assert!(heard.contains("42") && heard.contains("SELECT 1"), "{path}: {heard}");
            let parameters = [("db", "orders"), ("user", "scram_user"), ("sql", sql)];
            let heard = asks(&world, "shop", path, &parameters).await;
            for wanted in ["28000", "\"orders\"", "it may use main"] {
                assert!(heard.contains(wanted), "{path}: {wanted} is not in: {heard}");
            }
        }
        let others = world.status_of("orders").await;
        assert_eq!(
            (&others["sockets_opened"], &others["opened"]),
            (&json!(0), &json!(0)),
            "{others}"
        );
    });
}

#[test]
fn a_role_is_a_database_role_that_the_client_cannot_leave() {
    live(async {
        let props = json!({ "databases": ["main"], "role": "reader" });
        let world = Setup::new()
            .database("main_reader")
            .user("md5_user")
            .gateway_port("readers", props.clone())
            .gateway_caller("shop", props)
            .start()
            .await;
        let readers = world.workerd.addr("readers").unwrap();
        let client = connect(config(readers).user("md5_user")).await.unwrap();
        let row = client.query_one("select session_user::text", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), "md5_user");
        assert_eq!(world.status_of("main_reader").await["sockets"], 1);
        // Not by another user, nor by the role's database, nor by what leads back.
        let told = connect(&config(readers)).await.unwrap_err();
        assert!(told.starts_with("28000") && told.contains("md5_user"), "{told}");
        let mut other = config(readers);
        let told = connect(other.user("md5_user").dbname("main_reader")).await.unwrap_err();
        assert!(told.starts_with("28000") && told.contains("it may use main"), "{told}");
        let parameters = [("db", "main"), ("sql", "select session_user")];
        let heard = asks(&world, "shop", "/rpc", &parameters).await;
        assert!(heard.contains("md5_user"), "{heard}");
    });
}

#[test]
fn where_props_are_required_who_has_none_is_refused_with_the_fix() {
    live(async {
        let world = Setup::new()
            .variable("PIERHEAD_GATEWAY_PROPS", "required")
            .gateway_ports()
            .gateway_port("named", json!({ "databases": ["main"] }))
            .gateway_port("odd", json!({ "database": "main" }))
            .gateway_caller("shop", json!({}))
            .start()
            .await;
        let ports = world.workerd.gateway_ports().unwrap();
        for address in [ports.transaction, ports.session] {
            let told = connect(&config(address)).await.unwrap_err();
            assert!(told.starts_with("28000") && told.contains("props = {"), "{told}");
        }
        for path in ["/rpc", "/lease", "/connect", "/socket"] {
            let parameters = [("db", "main"), ("user", "scram_user"), ("sql", "select 1")];
            let heard = asks(&world, "shop", path, &parameters).await;
            assert!(heard.contains("28000") && heard.contains("props = {"), "{path}: {heard}");
        }
        let odd = connect(&config(world.workerd.addr("odd").unwrap())).await.unwrap_err();
        assert!(odd.starts_with("F0000") && odd.contains("props.database is unknown"), "{odd}");
        connect(&config(world.workerd.addr("named").unwrap())).await.unwrap();
    });
}

#[test]
fn a_client_that_smuggles_names_or_terms_gets_nowhere() {
    live(async {
        let world = Setup::new()
            .database("orders")
            .gateway_port("named", json!({ "databases": ["main"] }))
            .start()
            .await;
        let named = world.workerd.addr("named").unwrap();
        let start = |pairs: &[(&str, &str)]| {
            pierhead_wire::pg::startup::write_start(0, pairs.iter().copied()).to_vec()
        };
        let main = [("user", "scram_user"), ("database", "main")];
        let terms = pierhead_wire::pg::startup::TermsPacket { caller: Some("admin"), mode: None };
        let ssl = b"\0\0\0\x08\x04\xd2\x16\x2f";
        for (bytes, code) in [
            (start(&[main[0], main[1], ("database", "orders")]), "C08P01"),
            (start(&[main[0], ("database", "orders"), main[1]]), "C08P01"),
            (start(&[main[0], main[1], ("user", "postgres")]), "C08P01"),
            (start(&[main[0], main[1], ("host", "10.0.0.1")]), "C08P01"),
            (start(&[main[0], main[1], ("options", "-c database=orders")]), "C08P01"),
            (start(&[main[0], main[1], ("options", "-c session_authorization=x")]), "C08P01"),
            (start(&[main[0], main[1], ("pierhead.role", "reader")]), "C42704"),
            (start(&[main[0], ("database", "main' or ''='")]), "C28000"),
            (start(&[("user", "postgres"), main[1]]), "C28000"),
            (start(&[main[1]]), "C28000"),
            ([&terms.encode()[..], &start(&main)].concat(), "C28000"),
            ([&ssl[..], &terms.encode(), &start(&main)].concat(), "C28000"),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "C08P01"),
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(), "C08P01"),
        ] {
            let heard = told(named, &bytes).await;
            assert!(heard.contains(code), "{code} is not in {heard:?}");
        }
        let others = world.status_of("orders").await;
        assert_eq!(others["sockets_opened"], 0, "{others}");
    });
}

/// Everything that is said to these bytes, up to the end.
async fn told(address: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut heard = Vec::new();
    // The far end may have closed before it read everything.
    drop(socket.read_to_end(&mut heard).await);
    String::from_utf8_lossy(&heard).into_owned()
}
