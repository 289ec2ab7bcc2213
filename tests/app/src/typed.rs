//! Every supported Rust type, sent as a parameter and read back from a column.

use std::fmt::Debug;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use pierhead_client::{AsText, Database, Error, FromColumn, Json, ToParam};
use serde_json::{Value, json};
use uuid::Uuid;

/// Runs all cases; `ok` tells whether every value came back as it went.
pub(crate) async fn report(database: &Database) -> Value {
    let mut cases = Cases { database, reports: Vec::new() };
    cases.numbers().await;
    cases.texts().await;
    cases.times().await;
    cases.documents().await;
    cases.arrays().await;
    let ok = cases.reports.iter().all(|report| report.get("ok") == Some(&Value::Bool(true)));
    json!({"ok": ok, "cases": cases.reports})
}

struct Cases<'a> {
    database: &'a Database,
    reports: Vec<Value>,
}

impl Cases<'_> {
    async fn numbers(&mut self) {
        for value in [i16::MIN, 0, i16::MAX] {
            self.check("smallint", &value).await;
        }
        for value in [i32::MIN, 0, i32::MAX] {
            self.check("integer", &value).await;
        }
        for value in [i64::MIN, 0, i64::MAX] {
            self.check("bigint", &value).await;
        }
        for value in [0, u32::MAX] {
            self.check("oid", &value).await;
        }
        for value in [0.0, -1.5, f32::MAX, f32::MIN_POSITIVE, f32::INFINITY] {
            self.check("real", &value).await;
        }
        for value in [0.1, -1e300, f64::MAX, f64::MIN_POSITIVE, f64::NEG_INFINITY] {
            self.check("double precision", &value).await;
        }
        for value in [true, false] {
            self.check("bool", &value).await;
        }
        self.check("numeric", &"12345678901234567890.012345678900".to_owned()).await;
        self.check("numeric", &AsText(170_141_183_460_469_231_731_687_303_715_884_105_727_i128))
            .await;
    }

    async fn texts(&mut self) {
        for value in ["", "plain", "ü 🦀 \\ \" ' {} NULL $1", "a\nb\tc"] {
            self.check("text", &value.to_owned()).await;
        }
        self.check("text", &"ü".repeat(512 * 1024)).await;
        self.check("character varying(3)", &"abc".to_owned()).await;
        self.check("inet", &AsText(std::net::Ipv4Addr::LOCALHOST)).await;
        self.check("interval", &"1 mon 2 days 03:04:05".to_owned()).await;
        self.check("bytea", &Vec::<u8>::new()).await;
        self.check("bytea", &(0..=255).collect::<Vec<u8>>()).await;
        self.check("bytea", &vec![0xa5_u8; 1024 * 1024]).await;
        self.check("uuid", &Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)).await;
        self.check("text", &None::<String>).await;
        self.check("integer", &None::<i32>).await;
        self.check("integer", &Some(1)).await;
    }

    async fn times(&mut self) {
        let dates = [(2026, 11, 1), (1, 1, 1), (-43, 3, 15), (12_026, 2, 28)];
        for date in dates.iter().filter_map(|&(y, m, d)| NaiveDate::from_ymd_opt(y, m, d)) {
            self.check("date", &date).await;
            self.check("timestamp", &date.and_time(NaiveTime::MIN)).await;
        }
        let Some(time) = NaiveTime::from_hms_micro_opt(23, 59, 59, 999_999) else { return };
        let Some(date) = NaiveDate::from_ymd_opt(2026, 2, 28) else { return };
        let stamp: NaiveDateTime = date.and_time(time);
        self.check("time", &time).await;
        self.check("timestamp", &stamp).await;
        self.check::<DateTime<Utc>>("timestamptz", &stamp.and_utc()).await;
        let Some(zone) = FixedOffset::east_opt(5 * 3_600 + 1_800) else { return };
        self.check::<DateTime<FixedOffset>>("timestamptz", &stamp.and_utc().with_timezone(&zone))
            .await;
    }

    async fn documents(&mut self) {
        let value = json!({"a": [1, null, "ü\"\\"], "b": {"c": 1.5}});
        self.check("json", &value).await;
        self.check("jsonb", &value).await;
        self.check("jsonb", &Value::Null).await;
        self.check("jsonb", &Json(vec![(1, "x".to_owned())])).await;
    }

    async fn arrays(&mut self) {
        self.check("integer[]", &Vec::<i32>::new()).await;
        self.check("integer[]", &vec![Some(1), None, Some(-3)]).await;
        self.check("integer[]", &vec![vec![1, 2], vec![3, 4]]).await;
        self.check("smallint[]", &vec![i16::MIN, i16::MAX]).await;
        self.check("bigint[]", &vec![i64::MIN, i64::MAX]).await;
        self.check("real[]", &vec![0.5_f32]).await;
        self.check("double precision[]", &vec![0.1_f64]).await;
        self.check("bool[]", &vec![true, false]).await;
        let texts = ["", "NULL", "a,b", "{x}", "\"\\", "ü"].map(str::to_owned).to_vec();
        self.check("text[]", &texts).await;
        self.check("bytea[]", &vec![vec![0_u8, 255], vec![]]).await;
        self.check("uuid[]", &vec![Uuid::from_u128(1)]).await;
        self.check("jsonb[]", &vec![Some(json!({"a": "\""})), None]).await;
        self.check("numeric[]", &vec!["1.50".to_owned()]).await;
        self.check("date[]", &vec![NaiveDate::default()]).await;
        self.check("timestamptz[]", &vec![DateTime::<Utc>::UNIX_EPOCH]).await;
    }

    async fn check<T: ToParam + FromColumn + PartialEq + Debug>(
        &mut self,
        column: &str,
        value: &T,
    ) {
        let read = self.read(column, value).await;
        let problem = match read {
            Ok(read) if read == *value => None,
            Ok(read) => Some(shorten(&format!("{value:?} came back as {read:?}"))),
            Err(error) => Some(error.to_string()),
        };
        self.reports.push(json!({
            "rust": std::any::type_name::<T>(),
            "column": column,
            "value": shorten(&format!("{value:?}")),
            "ok": problem.is_none(),
            "problem": problem,
        }));
    }

    async fn read<T: ToParam + FromColumn>(&self, column: &str, value: &T) -> Result<T, Error> {
        let sql = format!("select $1::{column}");
        self.database.query_one(&sql, &[value]).await?.get(0)
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(200).collect()
}
