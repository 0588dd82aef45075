// What the address says: `#/teacher/7b`, `#/student/7b/alice`, or nothing yet.

export type Role = "teacher" | "student";

export type Route =
  | { readonly at: "door"; readonly role?: Role; readonly classroom?: string }
  | { readonly at: "teacher"; readonly classroom: string }
  | { readonly at: "student"; readonly classroom: string; readonly name: string };

/** A classroom without its student, `#/student/7b`, is the door with the classroom filled in. */
export function readRoute(hash: string): Route {
  const [role, classroom, name] = hash.replace(/^#?\/?/, "").split("/").map(decode);
  if (role === "teacher" && classroom) return { at: "teacher", classroom };
  if (role === "student" && classroom && name) return { at: "student", classroom, name };
  if (role === "student" && classroom) return { at: "door", role, classroom };
  return { at: "door" };
}

/** `#/student/7b&token=…` brings a token along, in the part of an address that no server sees. */
export function takeToken(hash: string): { readonly hash: string; readonly token: string | undefined } {
  const [kept = "", token] = hash.split("&token=", 2);
  return { hash: kept === "" || kept === "#" ? "#/" : kept, token: token === undefined ? undefined : decode(token) };
}

export function teacherRoute(classroom: string): string {
  return `#/teacher/${encodeURIComponent(classroom)}`;
}

export function studentRoute(classroom: string, name?: string): string {
  const join = `#/student/${encodeURIComponent(classroom)}`;
  return name ? `${join}/${encodeURIComponent(name)}` : join;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text).trim();
  } catch {
    return text;
  }
}
