"""Pictures of the pages: Bokeh figures, made by functions that take data and return a figure."""
