// A peer for `connect-core conformance run --stdio`: fill in the four functions.
//
// Each of them takes a request, and returns the outcome and the further members of its answer. "The
// line protocol" in the Connection specification says what both have.
import static java.nio.charset.StandardCharsets.*;
import java.io.*;
import java.nio.ByteBuffer;
import java.util.*;
import java.util.regex.*;

public class Peer {
  static final Map<String, Object> connections = new HashMap<>(); // yours, by id

  /** Creates a Connection to `destination` or from the document `body`; if ok: `connection`.
   * `source`, `name`, `scopes` and `allow_self` may be given, too, unless there is a `body`. */
  static Map<String, ?> create(Map<?, ?> request) { return Map.of("outcome", "unsupported"); }

  /** Takes the `action` on the `connection`; `expected_version` may be given. */
  static Map<String, ?> act(Map<?, ?> request) { return Map.of("outcome", "not-found"); }

  /** Says whether `by` may read data of the `scope` through the `connection` now. */
  static Map<String, ?> share(Map<?, ?> request) { return Map.of("outcome", "not-found"); }

  /** Shows the `connection` to `by`; if ok: `state`, a map. */
  static Map<String, ?> read(Map<?, ?> request) { return Map.of("outcome", "not-found"); }

  /** Answers each request. A failure is an answer, too, and the next request is read. */
  public static void main(String[] arguments) throws IOException {
    var input = new BufferedReader(new InputStreamReader(System.in, ISO_8859_1)); // bytes, as yet
    for (String line; (line = input.readLine()) != null; System.out.flush()) {
      var answer = new HashMap<String, Object>(Map.of("protocol", 1));
      answer.put("id", null); // until it is known
      try {
        var request = parse(UTF_8.newDecoder().decode(ByteBuffer.wrap(line.getBytes(ISO_8859_1))));
        answer.put("id", Objects.requireNonNull(request.get("id"), "a request has an id"));
        answer.putAll(switch ((String) request.get("verb")) {
          case "create" -> create(request);
          case "act" -> act(request);
          case "share" -> share(request);
          case "read" -> read(request);
          case "close" -> { connections.clear(); yield Map.of("outcome", "ok"); }
          default -> Map.of("outcome", "unsupported");
        });
      } catch (Exception failure) { answer.put("error", failure.toString()); }
      System.out.write((json(answer) + "\n").getBytes(UTF_8));
    }
  }

  static String json(Object value) {
    if (value instanceof List<?> list) return list.stream().map(Peer::json).toList().toString();
    if (value instanceof Map<?, ?> map) return "{" + String.join(", ", map.entrySet().stream().map(
        it -> json(it.getKey()) + ": " + json(it.getValue())).toList()) + "}";
    return !(value instanceof String text) ? String.valueOf(value) : '"' + UNSAFE.matcher(text)
        .replaceAll(it -> "\\\\u%04x".formatted((int) it.group().charAt(0))) + '"';
  }

  // The grammar of a request: an object without objects in it. A blank stands for white space.
  static String escape = "\\\\(?:[\"\\\\/bfnrt]|u\\p{XDigit}{4})", space = "[ \\t\\r]*+",
      text = "\"(?:[^\"\\\\\\x00-\\x1f]|%s)*+\"".formatted(escape),
      one = "(?:%s|\\d++|true|false)".formatted(text), many = "\\[ (?:%1$s(?: , %1$s)*+)?+ \\]",
      member = "\\G(?:^ \\{|(?!^),) (%s) : (%s|%s) ".formatted(text, one, many.formatted(one));
  static Pattern UNSAFE = Pattern.compile("[\"\\\\\\x00-\\x1f]"), ESCAPE = Pattern.compile(escape),
      ONE = Pattern.compile(one), MEMBER = Pattern.compile(member.replace(" ", space));
  static Map<?, ?> parse(CharSequence json) {
    var all = new HashMap<Object, Object>();
    MEMBER.matcher(json).results().forEach(it -> all.put(value(it.group(1)), value(it.group(2))));
    if (MEMBER.matcher(json).replaceAll("").strip().equals("}")) return all;
    throw new IllegalArgumentException("this is no request");
  }
  static Object value(String in) {
    if (in.startsWith("[")) return ONE.matcher(in).results().map(it -> value(it.group())).toList();
    if (in.matches("true|false")) return in.equals("true");
    if (!in.startsWith("\"")) return new java.math.BigInteger(in);
    return ESCAPE.matcher(in.substring(1, in.length() - 1)).replaceAll(it ->
        Matcher.quoteReplacement(it.group().length() < 6
            ? it.group().replace("\\/", "/").translateEscapes()
            : "" + (char) Integer.parseInt(it.group(), 2, 6, 16)));
  }
}
