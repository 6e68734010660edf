// Who follows a log that prints the time: what was seen, and how late.

/** What a builder's step prints, so that its log can be followed by `followed`. */
export const stamps = 'echo up; sleep 1; for i in 1 2 3 4 5 6 7; do date +%s%N; sleep 0.4; done'

/** Reads the answer of `/logs/ID/follow` to its end: the milliseconds after which each stamp was seen, sorted. Rejects when the text is not `stamps`'. */
export async function delaysOf(answer: Response): Promise<number[]> {
  const delays: number[] = []
  let waiting = ''
  let text = ''
  for await (const piece of (answer.body as ReadableStream<Uint8Array>).pipeThrough(
    new TextDecoderStream(),
  ) as unknown as AsyncIterable<string>) {
    const now = Date.now()
    const blocks = (waiting + piece).split('\n\n')
    waiting = blocks.pop() ?? ''
    for (const block of blocks) {
      const data = /^data: ?(.*)$/m.exec(block)?.[1]
      if (data === undefined) continue
      const told = (JSON.parse(data) as {text: string}).text
      text += told
      for (const stamp of told.match(/^\d{19}$/gm) ?? []) delays.push(Math.round(now - Number(stamp) / 1e6))
    }
  }
  if (!/^up\n(\d{19}\n){7}$/.test(text))
    throw new Error(`what was followed is not what was printed:\n${text}`)
  return delays.toSorted((a, b) => a - b)
}
