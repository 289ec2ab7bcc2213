//! Sizes fixed by a protocol.

crate::limits! {
    "Requests and answers ([protocol.md](protocol.md), section 1)":

    /// Bytes of a request's options. Enough for dozens, small enough to keep beside every waiter.
    #[unit = "bytes"]
    #[hit = "`08P01`"]
    pub const OPTIONS_BYTES_MAX: usize = 4_096;

    /// Bytes of a caller's name: it is printed in one line of a log.
    #[unit = "bytes"]
    pub const CALLER_BYTES_MAX: usize = 64;

    /// PostgreSQL bytes of one request: half of what the platform lets one RPC message carry (32
    /// MiB), and little enough that a few of them fit one isolate.
    #[unit = "bytes"]
    #[hit = "`54000`"]
    pub const PROTOCOL_BYTES_MAX: usize = 16 * 1024 * 1024;

    /// Bytes of an outcome's message, and of its hint: a paragraph.
    #[unit = "bytes"]
    pub const OUTCOME_TEXT_BYTES_MAX: usize = 1_024;

    /// Bytes of an outcome record, the only part of an answer that is kept while it arrives. Leaves
    /// room for fields of later versions.
    #[unit = "bytes"]
    pub const OUTCOME_BYTES_MAX: usize = 16 * 1024;

    "PostgreSQL messages, of which the protocol allows 2 GiB less a byte":

    /// Length field of a bulk message (rows, COPY data, descriptions), whose body is never held:
    /// the server's own limit for one value and so for one row.
    #[unit = "bytes"]
    #[hit = "`08007`, or `08001` while a session opens"]
    pub const PG_BULK_MAX: usize = 0x4000_0000;

    /// Length field of any other message of the database. The largest honest ones are errors that
    /// quote a statement.
    #[unit = "bytes"]
    #[hit = "`08007`, or `08001` while a session opens"]
    pub const PG_GATHERED_MAX_BACKEND: usize = 1024 * 1024;

    /// Length field of any other message of a client: one statement with its parameters, as large
    /// as a whole request may be.
    #[unit = "bytes"]
    #[hit = "`08P01`"]
    pub const PG_GATHERED_MAX_FRONTEND: usize = PROTOCOL_BYTES_MAX;

    /// Bytes of a client's first packet: PostgreSQL's own limit, to which it does not add the
    /// length field's four bytes.
    #[unit = "bytes"]
    #[hit = "`08P01`"]
    pub const STARTUP_BYTES_MAX: usize = 10_004;

    /// Bytes of a terms packet: its header and as many options as an exchange may have.
    #[unit = "bytes"]
    #[hit = "`08P01`"]
    pub const TERMS_BYTES_MAX: usize = OPTIONS_BYTES_MAX;

    /// Parameters of a client's first packet, and settings in its `options`. Drivers send ten.
    #[unit = "parameters"]
    #[hit = "`08P01`"]
    pub const STARTUP_PARAMETERS_MAX: usize = 64;

    /// Bytes of a cancel key's secret: what protocol 3.0 has.
    #[unit = "bytes"]
    pub const CANCEL_SECRET_BYTES_MIN: usize = 4;

    /// Bytes of a cancel key's secret: what protocol 3.2 allows.
    #[unit = "bytes"]
    pub const CANCEL_SECRET_BYTES_MAX: usize = 256;

    /// Bytes of each text of an error or notice of our own, and of a reported parameter: a
    /// paragraph.
    #[unit = "bytes"]
    pub const REPORT_TEXT_BYTES_MAX: usize = 1_024;

    "Frames of our own tunnel ([protocol.md](protocol.md), section 2)":

    /// Bytes of one WebSocket message: enough to put sixteen full frames into one billed message,
    /// and a quarter of the smallest limit that any WebSocket host is known to set (1 MiB).
    #[unit = "bytes"]
    pub const TUNNEL_MESSAGE_BYTES_MAX: usize = 256 * 1024;

    /// Bytes of a stream's data in one frame: other streams wait behind it for at most 13 ms at
    /// 10 Mbit/s.
    #[unit = "bytes"]
    pub const TUNNEL_DATA_BYTES_MAX: usize = 16 * 1024;

    /// Bytes of any frame's body: the data of one frame and the fields before it.
    #[unit = "bytes"]
    pub const TUNNEL_BODY_BYTES_MAX: usize = TUNNEL_DATA_BYTES_MAX + 64;

    /// Bytes of the name of a database, an agent or a coordinator: printed in one line of a log.
    /// Also what PostgreSQL allows a name, and one more.
    #[unit = "bytes"]
    pub const TUNNEL_NAME_BYTES_MAX: usize = 64;

    /// Bytes of the text beside a reason: a sentence and what to do about it.
    #[unit = "bytes"]
    pub const TUNNEL_TEXT_BYTES_MAX: usize = 512;

    /// Bytes of the blob that describes a session: the reported parameters fit several times; three
    /// blobs of this size fit one page of offers.
    #[unit = "bytes"]
    pub const TUNNEL_BLOB_BYTES_MAX: usize = 4_096;

    /// Bytes that cancel whatever a session runs. PostgreSQL's `CancelRequest` with the longest key
    /// (256 bytes) has 268.
    #[unit = "bytes"]
    pub const TUNNEL_CANCEL_BYTES_MAX: usize = 512;

    /// Bytes of the options of a `hello` or a `welcome`: dozens.
    #[unit = "bytes"]
    pub const TUNNEL_OPTIONS_BYTES_MAX: usize = 1_024;

    /// Links that one `hello` replaces. An agent has a handful; the rest are long dead.
    #[unit = "links"]
    pub const TUNNEL_REPLACES_MAX: usize = 64;

    /// Databases that one `hello` names. A link serves one coordinator, so there are few.
    #[unit = "databases"]
    pub const TUNNEL_DATABASES_MAX: usize = 64;

    /// Parked streams of one page of offers: few enough to handle within one event, and with blobs
    /// of 200 bytes as many as a frame holds.
    #[unit = "streams"]
    pub const TUNNEL_OFFERS_PER_PAGE_MAX: usize = 64;

    /// Parked streams of one link, and so offers after a `hello` or a `list`: eight
    /// times what one coordinator's attachment can list, and with the largest blobs 17 MiB.
    #[unit = "streams"]
    pub const TUNNEL_PARKED_MAX: u16 = 4_096;

    /// Bytes that one grant of credit adds, and the most that may be outstanding for one stream or
    /// link: an eighth of the isolate's memory.
    #[unit = "bytes"]
    pub const TUNNEL_CREDIT_MAX: u32 = 16 * 1024 * 1024;
}

const _: () = assert!(24 + 2 * OUTCOME_TEXT_BYTES_MAX <= OUTCOME_BYTES_MAX);
const _: () = assert!(3 + CALLER_BYTES_MAX + 4 <= OPTIONS_BYTES_MAX);
const _: () = assert!(3 + TUNNEL_BODY_BYTES_MAX <= TUNNEL_MESSAGE_BYTES_MAX);
const _: () = assert!(TUNNEL_BODY_BYTES_MAX <= u16::MAX as usize);
const _: () = assert!(8 + 3 * (34 + TUNNEL_BLOB_BYTES_MAX) <= TUNNEL_BODY_BYTES_MAX);
const _: () = assert!(TUNNEL_DATABASES_MAX * (2 + TUNNEL_NAME_BYTES_MAX + 3) < 8 * 1024);
const _: () = assert!(TUNNEL_PARKED_MAX as usize >= TUNNEL_OFFERS_PER_PAGE_MAX);

#[cfg(test)]
mod tests {
    #[test]
    fn every_limit_is_listed_with_its_unit_and_its_reason() {
        assert_eq!(crate::limit::faults(include_str!("limits.rs"), super::ALL), [""; 0]);
    }
}
