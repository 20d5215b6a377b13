"""What a program says by --help, taken apart: what its man page and its page of the reference are made from."""
import re
import subprocess


class Help:
    """What --help prints: a sentence, usage, tables of options and subcommands, and more text."""

    def __init__(self, program, *command):
        shown = subprocess.run([program, *command, "--help"], capture_output=True, text=True, check=True).stdout
        self.about, self.usage, self.tables, self.more = "", "", {}, []
        table = None
        for line in shown.splitlines():
            title = re.fullmatch(r"(options|subcommands):\s*", line, re.IGNORECASE)
            row = re.match(r"  ?(\S.*?)(?:\s{2,}(\S.*))?$", line)
            if line.startswith("  webservice.address ("):
                break  # the table of options, which has a page of its own
            if title:
                table = self.tables.setdefault(title[1].lower(), [])
            elif line.startswith("Usage:"):
                self.usage = line.removeprefix("Usage:").strip()
            elif table is not None and row and line.startswith("  ") and not line.startswith("      "):
                table.append([row[1], row[2] or ""])
            elif table and line.startswith("      "):
                table[-1][1] = f"{table[-1][1]} {line.strip()}".strip()
            elif not self.usage:
                self.about = f"{self.about} {line.strip()}".strip()
            else:
                table = None if line.strip() else table
                self.more.append(line)

    def options(self):
        """Of each option its name, what it takes, its default, whether it is required, and what it is for."""
        for words, text in self.tables.get("options", []):
            # As CLI11 2.1 has them (N=20), and 2.4 (N [20]).
            name, takes, old, new, required = re.fullmatch(
                r"(\S+)(?: ([^\s=\[]+))?(?:=(\S+)| \[(.*?)\])?( REQUIRED)?", words.strip()).groups()
            yield name, takes or "", old or new or "", required is not None, text

    def notes(self):
        """What stands behind the tables, paragraph by paragraph."""
        return [paragraph.splitlines() for paragraph in "\n".join(self.more).strip().split("\n\n") if paragraph]
