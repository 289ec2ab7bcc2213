//! Values there and back.

use serde_json::{Value, json};

use crate::world::{Setup, live};

#[test]
fn every_rust_type_comes_back_as_it_went() {
    live(async {
        let world = Setup::new().start().await;
        let report = world.app().get("/typed", &[]).await.unwrap();
        let wrong: Vec<_> =
            report["cases"].as_array().unwrap().iter().filter(|case| case["ok"] != true).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(report["cases"].as_array().unwrap().len() > 60, "{report}");
    });
}

#[test]
fn types_without_a_rust_type_are_text() {
    live(async {
        let world = Setup::new().start().await;
        let app = world.app();
        let sql = "select 'free'::berth_state as enum, 9000001::imo_number as domain, \
                   row(1.5, -2)::coordinates as composite, '[1,5)'::int4range as range, \
                   point(1, 2) as point, 'infinity'::timestamptz as endless, '12.30'::money as money, \
                   null::coordinates as nothing, ''::text as empty, array['free', null]::berth_state[]";
        let answer = app.query(sql, &[]).await.unwrap();
        assert_eq!(
            answer["rows"],
            json!([[
                "free",
                "9000001",
                "(1.5,-2)",
                "[1,5)",
                "(1,2)",
                "infinity",
                "$12.30",
                null,
                "",
                "{free,NULL}"
            ]])
        );
        let names: Vec<_> =
            answer["columns"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
        assert_eq!(names[..3], ["enum", "domain", "composite"]);

        // As parameters, their types inferred by the server.
        let sql = "select name from berths where state = $1 and (place).latitude < $2 order by id limit 1";
        assert_eq!(app.value(sql, &[json!("taken"), json!(60)]).await.unwrap(), "Pier 1");
        let sql = "select $1::coordinates = row(1, 2)::coordinates, $2::imo_number + 1, $3::berth_state is null";
        let params = [json!("(1,2)"), json!(9_000_001), Value::Null];
        assert_eq!(app.query(sql, &params).await.unwrap()["rows"], json!([["t", "9000002", "t"]]));
    });
}

#[test]
fn large_and_foreign_texts_arrive_whole() {
    live(async {
        let world = Setup::new().start().await;
        let app = world.app();
        for text in ["", " ", "ünïcödé „Möwe“ 🦀 \u{10FFFF}", "a\\b'c\"d\ne\tf", "NULL", "$1"]
        {
            assert_eq!(app.echo(text).await.unwrap(), text);
        }
        // 1 MiB of three-byte characters, whose boundaries never meet those of frames.
        let large = "Ω€".repeat(1024 * 1024 / 5);
        let sql = "select octet_length($1::text), md5($1), $1";
        let answer = app.query(sql, &[json!(large)]).await.unwrap();
        let row = &answer["rows"][0];
        assert_eq!(row[0], large.len().to_string());
        assert!(row[2].as_str() == Some(large.as_str()), "1 MiB of text came back changed");

        let bytes = "00ff80".repeat(350_000);
        let sql =
            "select length($1::bytea), encode(sha256($1), 'hex'), sha256($1) = sha256($2::bytea)";
        let params = [json!({"type": "bytes", "value": bytes}), json!(format!("\\x{bytes}"))];
        let answer = app.query(sql, &params).await.unwrap();
        assert_eq!(answer["rows"][0][0], "1050000");
        assert_eq!(answer["rows"][0][2], "t");
        assert!(world.stats().frames_from_client > 100);
    });
}

#[test]
fn results_of_any_shape_arrive() {
    live(async {
        let world = Setup::new().start().await;
        let app = world.app();
        let answer = app.query("select from berths limit 3", &[]).await.unwrap();
        assert_eq!(answer["rows"], json!([[], [], []]));
        let answer = app.query("select id from berths where false", &[]).await.unwrap();
        assert_eq!((&answer["rows"], &answer["columns"][0]["name"]), (&json!([]), &json!("id")));
        assert_eq!(app.query("", &[]).await.unwrap()["rows"], json!([]));
        // Above a mebibyte the answer travels as a stream.
        let answer = app.query("select n from bulk(3000)", &[]).await.unwrap();
        assert_eq!(answer["rows"].as_array().unwrap().len(), 3000);
        let answer = app.query("select n, filler from bulk(5000)", &[]).await.unwrap();
        let rows = answer["rows"].as_array().unwrap();
        assert_eq!((rows.len(), &rows[4999][0]), (5000, &json!("5000")));
        assert_eq!(world.status().await["streamed"], 1);
    });
}

#[test]
fn a_request_above_the_limit_is_refused_by_name() {
    live(async {
        let world = Setup::new().start().await;
        let app = world.app();
        let text = |mebibytes: usize| json!("x".repeat(mebibytes << 20));
        let length = app.value("select length($1)", &[text(15)]).await.unwrap();
        assert_eq!(length, (15 << 20).to_string());
        let failure = app.query("select length($1)", &[text(17)]).await.unwrap_err();
        eprintln!("17 MiB: {}", failure.text());
        assert!(failure.text().contains("at most 16777216"), "{}", failure.text());
        assert!(!failure.is("unknown") && !failure.is("retryable"), "{}", failure.text());
        assert_eq!(app.echo("after").await.unwrap(), "after");
    });
}
