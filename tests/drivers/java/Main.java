// pgJDBC, unmodified: it prepares on the server from the fifth time on, and fetches by portals.

import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

public class Main {
    static void chapter(String name) {
        System.out.println("== " + name);
    }

    static void tell(String what, Object... values) {
        System.out.println(what + ": " + Arrays.deepToString(values));
    }

    interface Attempt {
        void run() throws Exception;
    }

    static void refused(String what, Attempt attempt) {
        try {
            attempt.run();
            tell(what, "NOT refused");
        } catch (SQLException error) {
            tell(what, error.getSQLState(), error.getMessage());
        } catch (Exception error) {
            tell(what, error.toString());
        }
    }

    static Connection connect() throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("sslmode", "disable");
        String address = System.getenv("PGHOST") + ":" + System.getenv("PGPORT");
        return DriverManager.getConnection("jdbc:postgresql://" + address + "/" + System.getenv("PGDATABASE"), properties);
    }

    static Object value(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
            r.next();
            return r.getObject(1);
        }
    }

    static void run(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.execute(sql);
        }
    }

    static void types(Connection a) throws Exception {
        chapter("types");
        run(a, "create type mood as enum ('sad', 'happy')");
        String sql = "select ?::int2, ?::int4, ?::int8, ?::float8, ?::numeric, ?::bool, ?::text, ?::bytea, "
            + "?::timestamptz, ?::jsonb, ?::uuid, ?::int[], ?::mood, ?::text";
        // The driver asks for binary once it has prepared on the server.
        for (int time = 0; time < 7; time++) {
            try (PreparedStatement p = a.prepareStatement(sql)) {
                p.setInt(1, -7);
                p.setInt(2, Integer.MAX_VALUE);
                p.setLong(3, Long.MIN_VALUE);
                p.setDouble(4, 0.1);
                p.setBigDecimal(5, new BigDecimal("12345678901234567890.123"));
                p.setBoolean(6, true);
                p.setString(7, "ü\n'\\");
                p.setBytes(8, new byte[] {0, -1});
                p.setTimestamp(9, Timestamp.valueOf("2026-11-22 10:00:00.123456"));
                p.setString(10, "{\"a\": [1, null]}");
                p.setObject(11, new java.util.UUID(0, 7));
                Array array = a.createArrayOf("int4", new Integer[] {1, null, 3});
                p.setArray(12, array);
                p.setString(13, "happy");
                p.setString(14, null);
                try (ResultSet r = p.executeQuery()) {
                    r.next();
                    Object[] row = new Object[14];
                    for (int n = 0; n < row.length; n++) {
                        row[n] = r.getObject(n + 1);
                    }
                    row[11] = r.getArray(12).getArray();
                    tell("row", row);
                }
            }
        }
        try (ResultSet r = a.getMetaData().getTypeInfo()) {
            int count = 0;
            while (r.next()) {
                count++;
            }
            tell("types", count > 100);
        }
        try (Statement s = a.createStatement()) {
            s.execute("do $$ begin raise notice 'seen'; end $$");
            SQLWarning warning = s.getWarnings();
            tell("notice", warning.getSQLState(), warning.getMessage());
            boolean more = s.execute("select 1; create table w (n int primary key); select 2");
            while (more || s.getUpdateCount() != -1) {
                if (more) {
                    s.getResultSet().next();
                    tell("result", s.getResultSet().getInt(1));
                } else {
                    tell("count", s.getUpdateCount());
                }
                more = s.getMoreResults();
            }
        }
    }

    static void prepared(Connection a) throws Exception {
        chapter("prepared");
        try (PreparedStatement p = a.prepareStatement("select ? + 1")) {
            for (int n = 0; n < 12; n++) {
                p.setInt(1, n);
                try (ResultSet r = p.executeQuery()) {
                    r.next();
                    tell("sum", r.getInt(1));
                }
            }
        }
        try (PreparedStatement p = a.prepareStatement("insert into w values (?)", Statement.RETURN_GENERATED_KEYS)) {
            for (int n = 0; n < 50; n++) {
                p.setInt(1, n);
                p.addBatch();
            }
            tell("batch", Arrays.stream(p.executeBatch()).sum());
            p.setInt(1, 1000);
            p.addBatch();
            p.setInt(1, 7);
            p.addBatch();
            refused("batch with an error", p::executeBatch);
        }
        refused("syntax", () -> run(a, "selec 1"));
        refused("division", () -> value(a, "select 1 / 0"));
        run(a, "create table plan (n int); insert into plan values (1)");
        try (PreparedStatement p = a.prepareStatement("select * from plan")) {
            for (int n = 0; n < 8; n++) {
                p.executeQuery().close();
            }
            tell("star", p.getMetaData().getColumnCount());
        }
    }

    static void transactions(Connection a) throws Exception {
        chapter("transactions");
        a.setAutoCommit(false);
        run(a, "insert into w values (100)");
        Savepoint savepoint = a.setSavepoint("s");
        refused("again", () -> run(a, "insert into w values (100)"));
        refused("failed", () -> value(a, "select 1"));
        a.rollback(savepoint);
        run(a, "insert into w values (101)");
        a.commit();
        run(a, "delete from w");
        a.rollback();
        a.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        tell("isolation", value(a, "show transaction_isolation"));
        a.commit();
        a.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        a.setReadOnly(true);
        refused("read only", () -> run(a, "insert into w values (102)"));
        a.rollback();
        a.setReadOnly(false);
        tell("left", value(a, "select count(*) from w"));
        a.commit();
    }

    static void big(Connection a) throws Exception {
        chapter("big result");
        try (Statement s = a.createStatement()) {
            long sum = 0;
            String rows = System.getenv("BIG_ROWS");
            String all = "select g, repeat('x', 1000) from generate_series(1, " + rows + ") g";
            try (ResultSet r = s.executeQuery(all)) {
                while (r.next()) {
                    sum += r.getInt(1) + r.getString(2).length();
                }
            }
            tell("all at once", sum);
            // By portals, inside a transaction.
            s.setFetchSize(100);
            sum = 0;
            try (ResultSet r = s.executeQuery("select generate_series(1, 5000)")) {
                while (r.next()) {
                    sum += r.getInt(1);
                }
            }
            tell("in parts", sum);
        }
        a.commit();
        a.setAutoCommit(true);
        var copy = a.unwrap(PGConnection.class).getCopyAPI();
        tell("copied", copy.copyIn("copy w from stdin", new java.io.StringReader("2000\n2001\n")));
        refused("bad copy", () -> copy.copyIn("copy w from stdin", new java.io.StringReader("x\n")));
        var out = new java.io.StringWriter();
        copy.copyOut("copy (select n from w where n > 90 order by n) to stdout", out);
        tell("copied", out.toString());
    }

    static void cancel(Connection a) throws Exception {
        chapter("cancel");
        try (Statement s = a.createStatement()) {
            Thread canceller = new Thread(() -> {
                // Again, in case it comes before the statement runs.
                try {
                    while (true) {
                        Thread.sleep(300);
                        s.cancel();
                    }
                } catch (InterruptedException | SQLException over) {
                    return;
                }
            });
            canceller.start();
            refused("cancelled", () -> s.execute("select pg_sleep(60)"));
            canceller.interrupt();
            canceller.join();
            s.setQueryTimeout(1);
            refused("timeout", () -> s.execute("select pg_sleep(60)"));
        }
        tell("goes on", value(a, "select 1"));
    }

    static void two(Connection a, Connection b) throws Exception {
        chapter("two clients");
        run(a, "set timezone = 'Asia/Tokyo'");
        a.setClientInfo("ApplicationName", "first");
        a.setSchema("pg_catalog");
        for (Connection c : new Connection[] {a, b}) {
            tell("of it", value(c, "show timezone"), value(c, "show search_path"));
        }
        a.setSchema("public");
        run(a, "create temp table mine (n int)");
        refused("b does not see it", () -> value(b, "select * from mine"));
        ExecutorService threads = Executors.newFixedThreadPool(20);
        Callable<Boolean> client = () -> {
            String own = Thread.currentThread().getName();
            boolean right = true;
            try (Connection c = connect()) {
                c.setAutoCommit(false);
                for (int n = 0; n < 10; n++) {
                    value(c, "select set_config('app.n', '" + own + "', true)");
                    right &= own.equals(value(c, "select current_setting('app.n')"));
                    c.commit();
                }
            }
            return right;
        };
        boolean right = true;
        for (Future<Boolean> seen : threads.invokeAll(java.util.Collections.nCopies(20, client))) {
            right &= seen.get();
        }
        threads.shutdown();
        tell("each its own", right);
        run(b, "listen channel");
        run(a, "notify channel, 'payload'");
        for (PGNotification heard : b.unwrap(PGConnection.class).getNotifications(10_000)) {
            tell("notification", heard.getName(), heard.getParameter());
        }
    }

    public static void main(String[] arguments) throws Exception {
        try (Connection a = connect(); Connection b = connect()) {
            types(a);
            prepared(a);
            transactions(a);
            big(a);
            cancel(a);
            two(a, b);
        }
        System.out.println("done");
    }
}
