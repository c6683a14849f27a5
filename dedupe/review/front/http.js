// Answer the front end's questions from the server of `dedupe review`. `island.js` answers the same from one file.

/** Return the adapter. */
export async function openServer() {
  return new Server();
}

async function ask(question, asked = {}) {
  const response = await fetch("/api/" + question, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? response.statusText);
  return answer;
}

class Server {
  constructor() {
    this.filter = {};
    this.canUndo = false;
    this.numUnsaved = 0;
  }

  meta() {
    return ask("meta");
  }

  async query(filter) {
    this.filter = filter;
    const answer = await ask("query", { filter });
    this.canUndo = answer.can_undo;
    return answer;
  }

  rows(offset, limit) {
    return ask("rows", { filter: this.filter, offset, limit });
  }

  position(cluster) {
    return ask("position", { filter: this.filter, cluster });
  }

  members(cluster, offset, limit) {
    return ask("members", { filter: this.filter, cluster, offset, limit });
  }

  variants(cluster) {
    return ask("variants", { filter: this.filter, cluster });
  }

  overview() {
    return ask("overview");
  }

  documents(options) {
    return ask("documents", options);
  }

  document(doc) {
    return ask("document", { doc });
  }

  decide(cluster, verdict, scope, row) {
    return ask("decide", { cluster, verdict, scope, row });
  }

  bulk(verdict) {
    return ask("bulk", { filter: this.filter, verdict });
  }

  undo() {
    return ask("undo");
  }

  save() {
    return ask("save");
  }
}
