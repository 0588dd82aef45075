// Where the lesson's messages go.

/** The login of the teacher's view. */
export const TEACHER = "teacher";

export function quizOf(classroom: string): string {
  return `/topic/${segment(classroom)}/quiz`;
}

export function answersOf(classroom: string): string {
  return `/topic/${segment(classroom)}/answers`;
}

/** Both at once, in the one order of the classroom's log. */
export function everythingOf(classroom: string): string {
  return `/topic/${segment(classroom)}/*`;
}

export function presenceOf(classroom: string): string {
  return `/topic/${segment(classroom)}/$presence`;
}

/** `quiz` for `/topic/7b/quiz` and for `/topic/7b.quiz`. */
export function channelOf(destination: string): string {
  const [, ...channel] = destination.replace(/^\/topic\//, "").split(/[/.]/);
  return channel.join("/");
}

/** The broker splits at `/` and `.` first and decodes each segment afterwards. */
export function segment(text: string): string {
  return encodeURIComponent(text).replace(/[.*]/g, (sign) => (sign === "." ? "%2E" : "%2A"));
}
