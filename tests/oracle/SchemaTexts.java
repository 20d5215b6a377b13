import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.apache.avro.Schema;

/**
 * What Avro for Java says of schemas' texts: one in base64 each line of stdin; each line of stdout answers one,
 * "read", "lenient" (read when defaults need not fit) or "refused MESSAGE". Only for the tests.
 */
public class SchemaTexts {
  static void parse(byte[] text, boolean validateDefaults) throws Exception {
    Schema.Parser parser = new Schema.Parser();
    parser.setValidateDefaults(validateDefaults);
    parser.parse(new ByteArrayInputStream(text));
  }

  static String verdict(byte[] text) {
    try {
      parse(text, true);
      return "read";
    } catch (Throwable strict) {
      try {
        parse(text, false);
        return "lenient";
      } catch (Throwable fault) {
        return "refused " + String.valueOf(fault).replaceAll("\\s+", " ");
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8");
    for (String line; (line = in.readLine()) != null;) {
      out.println(verdict(Base64.getDecoder().decode(line)));
    }
  }
}
