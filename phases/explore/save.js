// The buttons under pictures: the picture as SVG or PNG, what it shows as CSV. All in the browser, in served and saved pages.
document.addEventListener("click", async (event) => {
  const button = event.composedPath().find((one) => one.dataset?.save)
  if (!button) return
  const { save, of } = button.dataset
  const title = window.pictureOf(button)
  const view = of && window.Bokeh.index.find_one_by_id(of)
  const still = button.getRootNode().querySelector("svg")
  const name = `${document.title} ${title}`.replace(/[^\p{L}\p{N}.-]+/gu, "-").replace(/^-|-$/g, "").slice(0, 80)
  if (save === "csv") keep(new Blob([csv(view.model)], { type: "text/csv" }), `${name}.csv`)
  else keep(view ? await view.export(save).to_blob() : await drawn(still, save), `${name}.${save}`)

  function keep(blob, file) {
    const link = document.createElement("a")
    link.href = URL.createObjectURL(blob)
    link.download = file
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  }

  // a drawing of the report's kind: its ink is that of the page
  async function drawn(svg, kind) {
    const copy = svg.cloneNode(true), box = svg.getBoundingClientRect()
    copy.setAttribute("color", "#1d2430")
    copy.setAttribute("width", box.width)
    copy.setAttribute("height", box.height)
    const blob = new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" })
    if (kind === "svg") return blob
    const image = new Image(), sheet = document.createElement("canvas")
    image.src = URL.createObjectURL(blob)
    await image.decode()
    sheet.width = 2 * box.width
    sheet.height = 2 * box.height
    sheet.getContext("2d").drawImage(image, 0, 0, sheet.width, sheet.height)
    return new Promise((done) => sheet.toBlob(done, "image/png"))
  }

  // what one can point at, a row each; lines that are kept whole become a row for every point, and the number of a
  // line the names that its tooltip gives
  function csv(figure) {
    const rows = [], names = new Set(), style = ["hue", "style"]
    const tools = figure.toolbar.tools.filter((tool) => tool.type === "HoverTool")
    for (const [tool, renderer] of tools.flatMap((tool) => tool.renderers.map((one) => [tool, one]))) {
      const source = renderer.data_source
      const columns = source.columns().filter((name) => !style.includes(name))
      const named = Object.entries(tool.formatters["@line"]?.args ?? {})
      for (let i = 0; i < source.get_length(); i++) {
        const cells = columns.map((name) => source.get_column(name)[i])
        const many = (cell) => typeof cell === "object" && cell?.length !== undefined
        const points = Math.max(1, ...cells.filter(many).map((cell) => cell.length))
        for (let j = 0; j < points; j++) {
          const { line, ...row } = Object.fromEntries(columns.map((name, k) => [name, many(cells[k]) ? cells[k][j] : cells[k]]))
          if (!Object.values(row).some((value) => typeof value === "number" && !Number.isNaN(value))) continue
          for (const [name, of] of named) row[name] = of[line]
          rows.push(row)
        }
      }
      for (const name of [...columns, ...named.map(([name]) => name)]) if (name !== "line") names.add(name)
    }
    const text = (value) => {
      const said = value === undefined || value === null || Number.isNaN(value) ? "" : String(value)
      return /[",\n\r]/.test(said) ? `"${said.replaceAll('"', '""')}"` : said
    }
    const lines = rows.map((row) => [...names].map((name) => text(row[name])).join(","))
    return [[...names].map(text).join(","), ...lines, ""].join("\n")
  }
})
