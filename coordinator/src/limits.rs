//! Every bound of the shell around the engine.

use pierhead_wire::time::Millis;

pierhead_wire::limits! {
    "Sockets, to their clients":

    /// Bytes of the buffer that a silent client's next message is read into. It holds most messages;
    /// with what the platform keeps for a socket (5 kB) and the engine (1 kB), ten thousand silent
    /// clients are 70 MB. Not a power of two, as the pieces are that others cut a stream into: only a
    /// read that fills the buffer is followed by a larger one.
    #[unit = "bytes"]
    pub const SOCKET_READ_IDLE: u32 = 1_000;

    /// Bytes of the buffer that is read into once a client has filled the small one: as much as the
    /// engine lets one client be ahead of its session.
    #[unit = "bytes"]
    pub const SOCKET_READ_BUSY: u32 = 64 * 1024;

    /// Bytes of one write to a client. The platform may refuse larger ones, and a client that reads
    /// slowly shows as such sooner.
    #[unit = "bytes"]
    pub const SOCKET_WRITE: u32 = 64 * 1024;

    /// Bytes that a client by WebSocket may send ahead of what the engine takes: nothing can hold it
    /// back. One large parameter fits.
    #[unit = "bytes"]
    #[hit = "WebSocket close code 1009"]
    pub const SOCKET_INBOX: u32 = 4 * 1024 * 1024;

    /// Bytes of all such messages and read buffers of one object. At this bound clients on byte
    /// streams are read in small pieces, and a message that comes too early closes its WebSocket.
    #[unit = "bytes"]
    #[hit = "WebSocket close code 1013"]
    pub const SOCKET_BUFFERS_BUDGET: u32 = 16 * 1024 * 1024;

    /// How long a client may take what was written to it after its socket was closed: whoever still
    /// reads is done by then.
    pub const SOCKET_LINGER: Millis = Millis::secs(10);

    "The gateway":

    /// Times that a client may ask for encryption before it starts: once for each kind that there is.
    #[unit = "times"]
    #[hit = "`08P01`"]
    pub const GATEWAY_ENCRYPTION_REQUESTS: u32 = 2;

    /// Objects that hear of one cancel. Its key names none, so all databases are asked that its
    /// binding may use; name them in the binding's `databases` where there are more.
    #[unit = "objects"]
    pub const GATEWAY_CANCEL_OBJECTS: usize = 16;

    /// How long a cancel may take before its connection is closed: longer than the two trips to a
    /// database that is far away.
    pub const GATEWAY_CANCEL_TIME: Millis = Millis::secs(5);

    /// Bytes of what is read at once from a client that starts, and from an object for a client by
    /// WebSocket: while the object is silent, `SOCKET_READ_IDLE`. Others are carried by the platform
    /// itself.
    #[unit = "bytes"]
    pub const GATEWAY_READ: u32 = 16 * 1024;

    /// Bytes that a client by WebSocket may send ahead of what its object takes: as many as there.
    #[unit = "bytes"]
    #[hit = "WebSocket close code 1009"]
    pub const GATEWAY_INBOX: u32 = SOCKET_INBOX;
}
