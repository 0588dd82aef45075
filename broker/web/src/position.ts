// Where a message stands in the log of its classroom.
//
// The broker writes it into every `message-id`: `{log}@{epoch}:{offset}`, and `{offset}.{k}` inside a
// transaction. The epoch names one life of the log: positions of two epochs cannot be compared.

export interface Position {
  readonly epoch: string;
  readonly offset: number;
  /** The place inside a transaction; 0 for a message of its own. */
  readonly part: number;
}

export function readMessageId(messageId: string | undefined): Position | undefined {
  return readPosition(messageId?.slice(messageId.lastIndexOf("@") + 1));
}

/** Reads `epoch:offset` or `epoch:offset.part`. */
export function readPosition(text: string | undefined): Position | undefined {
  const found = /^([^:]+):(\d+)(?:\.(\d+))?$/.exec(text ?? "");
  if (!found) return undefined;
  return { epoch: found[1]!, offset: Number(found[2]), part: Number(found[3] ?? 0) };
}

export function writePosition({ epoch, offset, part }: Position): string {
  return part === 0 ? `${epoch}:${offset}` : `${epoch}:${offset}.${part}`;
}

/** Whether `position` was already passed by a reader who has seen everything up to `seen`. */
export function isPassed(position: Position, seen: Position | undefined): boolean {
  if (!seen || seen.epoch !== position.epoch) return false;
  if (position.offset !== seen.offset) return position.offset < seen.offset;
  return position.part <= seen.part;
}
