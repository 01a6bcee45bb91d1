// A peer for `connect-core conformance run --stdio`: fill in the four functions.
//
// Each of them takes a request, and returns the outcome and the further members of its answer. "The
// line protocol" in the Connection specification says what both have.
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.stream.Collectors.joining;
import java.io.*;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.util.*;
import java.util.regex.*;

public class Peer {
  /** Your Connections, by id. */
  static final Map<String, Object> connections = new HashMap<>();

  // ---- Fill these in ---------------------------------------------------------------------------

  /**
   * Creates a Connection to `destination` or from the document `body`; if ok: `connection`.
   * `source`, `name`, `scopes` and `allow_self` may be given, too, unless there is a `body`.
   */
  static Map<String, Object> create(Map<String, Object> request) {
    return Map.of("outcome", "unsupported");
  }

  /** Takes the `action` on the `connection`; `expected_version` may be given. */
  static Map<String, Object> act(Map<String, Object> request) {
    return Map.of("outcome", "not-found");
  }

  /** Says whether `by` may read data of the `scope` through the `connection` now. */
  static Map<String, Object> share(Map<String, Object> request) {
    return Map.of("outcome", "not-found");
  }

  /** Shows the `connection` to `by`; if ok: `state`, a map. */
  static Map<String, Object> read(Map<String, Object> request) {
    return Map.of("outcome", "not-found");
  }

  // ---- The line protocol -----------------------------------------------------------------------

  /** Answers one request. A failure is an answer, too, and the next request is read. */
  static String answerTo(byte[] line) {
    Map<String, Object> answer = new LinkedHashMap<>(Map.of("protocol", 1));
    answer.put("id", null); // until it is known
    try {
      var request = parse(UTF_8.newDecoder().decode(ByteBuffer.wrap(line)));
      answer.put("id", Objects.requireNonNull(request.get("id"), "a request has an id"));
      answer.putAll(switch ((String) request.get("verb")) {
        case "create" -> create(request);
        case "act" -> act(request);
        case "share" -> share(request);
        case "read" -> read(request);
        case "close" -> {
          connections.clear(); // what follows begins without Connections
          yield Map.of("outcome", "ok");
        }
        default -> Map.of("outcome", "unsupported");
      });
    } catch (Exception | StackOverflowError failure) {
      answer.put("error", failure.toString());
    }
    return json(answer);
  }

  public static void main(String[] arguments) throws IOException {
    var line = new ByteArrayOutputStream();
    for (int next; (next = System.in.read()) != -1; ) {
      line.write(next);
      if (next == '\n') {
        System.out.write((answerTo(line.toByteArray()) + "\n").getBytes(UTF_8));
        System.out.flush();
        line.reset();
      }
    }
  }

  // ---- JSON ------------------------------------------------------------------------------------

  /** A value as JSON: null, text, a number, true, false, a list or a map. */
  static String json(Object value) {
    if (value instanceof String text) {
      return '"' + UNSAFE.matcher(text).replaceAll(Peer::escape) + '"';
    }
    if (value instanceof List<?> list) {
      return list.stream().map(Peer::json).collect(joining(", ", "[", "]"));
    }
    if (value instanceof Map<?, ?> map) {
      var members = map.entrySet().stream().map(e -> json(e.getKey()) + ": " + json(e.getValue()));
      return members.collect(joining(", ", "{", "}"));
    }
    return String.valueOf(value);
  }

  static final Pattern UNSAFE = Pattern.compile("[\"\\\\\\x00-\\x1f\\p{Cs}]");

  static String escape(MatchResult unsafe) {
    return String.format("\\\\u%04x", (int) unsafe.group().charAt(0));
  }

  // The quantifiers are possessive, so that long text does not overflow the stack.
  static final String TEXT =
      "\"(?:[^\"\\\\\\x00-\\x1f]|\\\\(?:[\"\\\\/bfnrt]|u\\p{XDigit}{4}))*+\"";
  static final Pattern TOKEN =
      Pattern.compile(TEXT + "|[{}\\[\\]:,\"]|[^{}\\[\\]:,\" \\t\\r\\n]++");
  static final Pattern NUMBER = Pattern.compile("-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?");
  static final Pattern ESCAPE = Pattern.compile("\\\\(u....|.)");

  /** The members of the object that this JSON is. */
  static Map<String, Object> parse(CharSequence json) {
    Deque<String> tokens = new ArrayDeque<>();
    TOKEN.matcher(json).results().map(MatchResult::group).forEach(tokens::add);
    Map<String, Object> members = object(tokens);
    if (!tokens.isEmpty()) throw new IllegalArgumentException("more than an object");
    return members;
  }

  static Map<String, Object> object(Deque<String> tokens) {
    Map<String, Object> members = new LinkedHashMap<>();
    take("{", tokens);
    while (!tokens.element().equals("}")) {
      if (!members.isEmpty()) take(",", tokens);
      String name = (String) Objects.requireNonNull(value(tokens));
      take(":", tokens);
      members.put(name, value(tokens));
    }
    take("}", tokens);
    return members;
  }

  static List<Object> array(Deque<String> tokens) {
    List<Object> values = new ArrayList<>();
    take("[", tokens);
    while (!tokens.element().equals("]")) {
      if (!values.isEmpty()) take(",", tokens);
      values.add(value(tokens));
    }
    take("]", tokens);
    return values;
  }

  static Object value(Deque<String> tokens) {
    if (tokens.element().equals("{")) return object(tokens);
    if (tokens.element().equals("[")) return array(tokens);
    String token = tokens.remove();
    if (token.length() > 1 && token.startsWith("\"")) return text(token);
    if (NUMBER.matcher(token).matches()) return new BigDecimal(token);
    return switch (token) {
      case "null" -> null;
      case "true" -> true;
      case "false" -> false;
      default -> throw new IllegalArgumentException("this is not JSON: " + token);
    };
  }

  static String text(String token) {
    return ESCAPE.matcher(token.substring(1, token.length() - 1)).replaceAll(found -> {
      String escape = found.group(1);
      int at = "bfnrt".indexOf(escape);
      if (at >= 0) return "\b\f\n\r\t".substring(at, at + 1);
      boolean isUnit = escape.length() > 1; // of UTF-16
      String unescaped = isUnit ? "" + (char) Integer.parseInt(escape, 1, 5, 16) : escape;
      return Matcher.quoteReplacement(unescaped);
    });
  }

  static void take(String mark, Deque<String> tokens) {
    if (!tokens.remove().equals(mark)) throw new IllegalArgumentException("there is no " + mark);
  }
}
