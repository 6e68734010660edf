// What goes wrong with an object store, by itself: who only tells of it need not load what speaks to one.

/** The store does not answer, or refuses. */
export class ObjectStoreTrouble extends Error {
  override readonly name = 'ObjectStoreTrouble'
}

/** There is no object of that name. */
export class ObjectMissing extends Error {
  override readonly name = 'ObjectMissing'
}
