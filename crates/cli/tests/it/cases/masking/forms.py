"""Prints the forms that a secret is found in, each without a line break: forms.py SECRET"""
import base64
import html
import json
import re
import sys
from urllib.parse import quote, quote_plus

secret = sys.argv[1]
raw = secret.encode()
forms = [line for line in secret.split("\n") if len(line) >= 4]
for skip in range(3):
    # What shows of it inside of a longer text, wherever it begins there.
    whole = raw[skip : skip + (len(raw) - skip) // 3 * 3]
    forms += [base64.b64encode(whole).decode(), base64.urlsafe_b64encode(whole).decode()]
forms += [quote(secret, safe=""), quote(secret), quote_plus(secret), quote(secret, safe="!*'()")]
forms += [re.sub("%..", lambda code: code[0].lower(), quote(secret, safe=""))]
forms += [json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
forms += [html.escape(secret), html.escape(secret).replace("&#x27;", "&apos;")]
print("\n".join(sorted({part for form in forms for part in form.split("\n") if len(part) >= 4})))
