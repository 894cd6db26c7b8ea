/**
 * Sees to it that so many megabytes of huge pages are free. Gives a function that sets the reservation back to what it was,
 * or the reason why there are none.
 */
export function reserveHugePages(
  megabytes: number,
):
  | { readonly giveBack: () => void; readonly reason?: undefined }
  | { readonly reason: string; readonly giveBack?: undefined };
