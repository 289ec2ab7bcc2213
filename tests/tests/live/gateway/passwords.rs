//! A password for the sockets of a database.

use super::{command, complaint, config, connect, printed, psql, run};
use crate::world::{Setup, live};

const PASSWORD: &str = "harbour-\u{fc}-pilot";

#[test]
fn a_socket_logs_in_with_the_password_and_with_no_other() {
    live(async {
        let world = Setup::new().socket_password(PASSWORD).gateway_ports().start().await;
        let ports = world.workerd.gateway_ports().unwrap();
        let client = connect(config(ports.transaction).password(PASSWORD)).await.unwrap();
        client.batch_execute("select 1").await.unwrap();
        for (user, password) in [("scram_user", "harbour"), ("scram_user", " "), ("root", PASSWORD)]
        {
            let mut wrong = config(ports.session);
            let told = connect(wrong.user(user).password(password)).await.unwrap_err();
            let expected = format!("28P01 password authentication failed for user \"{user}\"");
            assert!(told.starts_with(&expected), "{told}");
        }
        let none = connect(&config(ports.transaction)).await.unwrap_err();
        assert!(none.contains("invalid configuration"), "the driver has none to give: {none}");
    });
}

#[test]
fn psql_is_asked_for_the_password() {
    live(async {
        let Some(psql) = psql() else { return };
        let world = Setup::new().socket_password(PASSWORD).gateway_ports().start().await;
        let ports = world.workerd.gateway_ports().unwrap();
        let ask = |more: &str| {
            let mut command = command(psql.clone(), ports.transaction, more, &["select 6 * 7"]);
            command.arg("-w");
            run(command)
        };
        let out = printed(&ask(&format!("password={PASSWORD}")).await);
        assert_eq!(out.trim(), "42");
        let wrong = complaint(&ask("password=wrong").await);
        assert!(wrong.contains("password authentication failed"), "{wrong}");
        let none = complaint(&ask("").await);
        assert!(none.contains("no password supplied"), "{none}");
    });
}
