/** Call the app; what it throws is its own, and must not end a connection or a queue of work here. */
export function callApp(call: () => void): void {
  try {
    call();
  } catch (error) {
    // Not swallowed: the page's own handler of errors gets it.
    if (typeof reportError === "function") {
      reportError(error);
    } else {
      console.error(error);
    }
  }
}
