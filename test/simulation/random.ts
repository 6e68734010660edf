// Randomness that a seed decides: everything by chance in a simulation is drawn from here, so a seed replays.

export class Random {
  private a: number
  private b: number
  private c: number
  private d: number

  /** The same seed and purpose always give the same numbers. */
  constructor(seed: number, purpose = '') {
    const mix = hashText(`${String(seed)}/${purpose}`)
    this.a = mix
    this.b = hashText(`b${String(mix)}${purpose}`)
    this.c = hashText(`c${String(seed)}`)
    this.d = 1
    for (let n = 0; n < 12; n++) this.next()
  }

  /** A number from 0 to below 1 (sfc32). */
  next(): number {
    const t = (((this.a + this.b) | 0) + this.d) | 0
    this.d = (this.d + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = (this.c << 21) | (this.c >>> 11)
    this.c = (this.c + t) | 0
    return (t >>> 0) / 4294967296
  }

  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least)
  }

  /** A whole number, both ends included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  pick<T>(things: readonly T[]): T {
    return things[Math.floor(this.next() * things.length)] as T
  }
}

/** A 32-bit hash of a text (FNV-1a). */
export function hashText(text: string, from = 0x811c9dc5): number {
  let hash = from
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}
