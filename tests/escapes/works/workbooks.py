# Attempts: nothing hostile: writes and reads a workbook with formulas and a chart.
# Expect: completed works
# Artifacts: book.xlsx present
import datetime

import openpyxl
import pandas
from openpyxl.chart import LineChart, Reference
from openpyxl.styles import Font

table = pandas.DataFrame({"day": pandas.date_range("2024-01-01", periods=3), "n": [1, 2, 3], "text": ["é", "中", "x"]})
table.to_excel("output/book.xlsx", index=False, sheet_name="data")
book = openpyxl.load_workbook("output/book.xlsx")
sheet = book["data"]
assert [cell.value for cell in sheet[2]] == [datetime.datetime(2024, 1, 1), 1, "é"]
sheet["B5"] = "=SUM(B2:B4)"
sheet["B5"].font = Font(bold=True)
chart = LineChart()
chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=4), titles_from_data=True)
sheet.add_chart(chart, "E2")
book.save("output/book.xlsx")
again = openpyxl.load_workbook("output/book.xlsx")["data"]
assert again["B5"].value == "=SUM(B2:B4)" and again["B5"].font.b
back = pandas.read_excel("output/book.xlsx", nrows=3)
assert back.n.tolist() == [1, 2, 3] and back.text.tolist() == ["é", "中", "x"]
print("works")
