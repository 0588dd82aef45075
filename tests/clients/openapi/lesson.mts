import createClient from 'openapi-fetch';
import type { paths } from './homeroom.js';

/** Publishes a question and reads it. */
export async function lesson(baseUrl: string): Promise<string | undefined> {
  const homeroom = createClient<paths>({ baseUrl });
  const published = await homeroom.POST('/v1/messages', {
    params: { query: { destination: '/topic/7b/quiz' }, header: { 'Idempotency-Key': 'q1' } },
    headers: { 'Content-Type': 'text/plain' },
    body: 'What is 7 x 8?',
    bodySerializer: (body) => body as string,
  });
  if (published.error) throw new Error(published.error.remedy);
  const read = await homeroom.GET('/v1/messages', { params: { query: { destination: ['/topic/7b/**'], limit: 1 } } });
  if (read.error) throw new Error(read.error.remedy);
  const page = read.data;
  return page && typeof page !== 'string' ? page.messages[0]?.body : undefined;
}
