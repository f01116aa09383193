package stitchline;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpRetryException;
import java.net.HttpURLConnection;
import java.net.URL;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * One request and its answer.
 *
 * <p>In: a body. Out: what came back, whole; null where nothing did. Guaranteed: one limit for all of it; no redirect is followed and nothing is sent a second time
 * behind our back.
 */
final class Exchange {
    private static final int MAX_ANSWER_BYTES = 1 << 20;
    // Sockets have no limit for a whole exchange: it runs on a thread of its own, which the sender leaves when time is over.
    private static final ExecutorService THREADS = Executors.newCachedThreadPool(work -> {
        Thread thread = new Thread(work, "stitchline-http");
        thread.setDaemon(true);
        return thread;
    });

    /** A status, and what was asked for with it. */
    static final class Answer {
        final int status;
        final String retryAfter;
        final byte[] body;

        Answer(int status, String retryAfter, byte[] body) {
            this.status = status;
            this.retryAfter = retryAfter;
            this.body = body;
        }
    }

    private final HttpURLConnection connection;
    private final byte[] body;
    private volatile boolean left;

    private Exchange(HttpURLConnection connection, byte[] body) {
        this.connection = connection;
        this.body = body;
    }

    /** Sends a body and returns the answer; null where none came in time. */
    static Answer post(URL url, String writeKey, byte[] body, boolean gzipped, double timeoutS) throws InterruptedException {
        Exchange exchange;
        try {
            exchange = new Exchange((HttpURLConnection) url.openConnection(), body);
            exchange.prepare(writeKey, gzipped, Math.max(1, (int) (timeoutS * 1000)));
        } catch (IOException unreachable) {
            return null;
        }
        Future<Answer> answer = THREADS.submit(exchange::run);
        try {
            return answer.get((long) (timeoutS * 1000), TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException failed) {
            return null;
        } finally {
            exchange.leave(answer.isDone());
        }
    }

    private void prepare(String writeKey, boolean gzipped, int timeoutMs) throws IOException {
        connection.setRequestMethod("POST");
        connection.setDoOutput(true);
        connection.setUseCaches(false);
        connection.setInstanceFollowRedirects(false);
        connection.setConnectTimeout(timeoutMs);
        connection.setReadTimeout(timeoutMs);
        // Without this HttpURLConnection posts once more by itself when the connection breaks.
        connection.setFixedLengthStreamingMode(body.length);
        connection.setRequestProperty("Authorization", "Bearer " + writeKey);
        connection.setRequestProperty("Content-Type", "application/json");
        connection.setRequestProperty("User-Agent", "stitchline-java/" + Core.VERSION);
        if (gzipped) {
            connection.setRequestProperty("Content-Encoding", "gzip");
        }
    }

    private Answer run() throws IOException {
        try (OutputStream out = connection.getOutputStream()) {
            out.write(body);
        }
        int status = status();
        InputStream in = status >= 400 ? connection.getErrorStream() : connection.getInputStream();
        return new Answer(status, connection.getHeaderField("Retry-After"), in == null ? new byte[0] : read(in));
    }

    private int status() throws IOException {
        try {
            return connection.getResponseCode();
        } catch (HttpRetryException streamed) {
            return streamed.responseCode(); // a 401 of a body that cannot be sent again
        }
    }

    /** Reads to the end: a connection is used again only then. */
    private byte[] read(InputStream in) throws IOException {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        byte[] piece = new byte[8192];
        try (InputStream from = in) {
            for (int read = from.read(piece); read >= 0; read = from.read(piece)) {
                whole.write(piece, 0, read);
                if (left || whole.size() > MAX_ANSWER_BYTES) {
                    throw new IOException("too late or too long");
                }
            }
        }
        return whole.toByteArray();
    }

    /** Ends what is still going on; closing a socket may itself wait, so not on this thread. */
    private void leave(boolean isDone) {
        left = true;
        if (!isDone) {
            THREADS.execute(connection::disconnect);
        }
    }
}
