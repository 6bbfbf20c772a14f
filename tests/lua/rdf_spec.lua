-- base64, and texts in the syntaxes of RDF and OWL.

local rdf = require "moon2m.rdf"
local t = require "moon2m.test"

local OWL, XML, TURTLE, MANCHESTER, JSON = 2, 4, 5, 6, 7

local function good(syntax, text) t.equal(rdf.misfit(syntax, text), nil) end
local function wrong(syntax, text, pattern) assert.matches(pattern, rdf.misfit(syntax, text)) end

describe("base64", function()
  it("is decoded", function()
    t.equal(rdf.decode "", "")
    t.equal(rdf.decode "YQ==", "a")
    t.equal(rdf.decode "YWI=", "ab")
    t.equal(rdf.decode "YWJj", "abc")
    t.equal(rdf.decode "YWJj\nZA==\n", "abcd")
    t.equal(rdf.decode "AP+/", "\0\255\191")
  end)

  it("is refused when it is none", function()
    for _, text in ipairs { "YQ", "YQ=", "Y===", "Y=Q=", "YQ==YQ==", "Y-Q=", "hello world" } do
      t.equal(rdf.decode(text), nil)
    end
  end)
end)

describe("a description", function()
  local HEAD = '<?xml version="1.0"?>\n<!-- one --><!DOCTYPE rdf:RDF [<!ENTITY x "y">]>\n'

  it("in XML is well-formed", function()
    good(XML, HEAD .. [=[<rdf:RDF xmlns:rdf="http://a/b#" a='c'><x y = "1"/><z>text<![CDATA[<]]></z>
      </rdf:RDF > ]=])
    wrong(XML, "temperature", "no XML")
    wrong(XML, "<a><b></a></b>", "closes another")
    wrong(XML, "<a>", "not closed")
    wrong(XML, "<a/><b/>", "more than one")
    wrong(XML, "<a/>text", "outside")
    wrong(XML, "<a b=c/>", "malformed")
    wrong(XML, "<a", "malformed")
    wrong(XML, "<!-- x", "ends within")
    wrong(XML, HEAD, "no element")
    wrong(XML, ("<a>"):rep(300), "deep")
    wrong(XML, "  ", "empty")
  end)

  it("in Turtle consists of statements", function()
    good(TURTLE, [[@prefix ex: <http://ex.org/> .  # ours
      PREFIX sosa: <http://www.w3.org/ns/sosa/>
      ex:t1 a sosa:Sensor ; ex:value 23.5 , "a \"b\" # c"@en ; ex:note """two
        lines""" .
      [] ex:in ( ex:a ex:b ) . ex:t2 ex:at [ ex:x 1 ; ex:y 2 ].]])
    good(TURTLE, "<a><b><c>.")
    wrong(TURTLE, "ex:a ex:b ex:c", "no \"%.\"")
    wrong(TURTLE, "ex:a .", "statement")
    wrong(TURTLE, "ex:a ex:b [ ex:c 1 .", "not closed")
    wrong(TURTLE, "ex:a ex:b ] .", "closes nothing")
    wrong(TURTLE, 'ex:a ex:b "c .', "does not end")
  end)

  it("in the other syntaxes", function()
    good(OWL, 'Prefix(:=<http://ex.org/>) Ontology(<http://ex.org> Declaration(Class(:A)))')
    wrong(OWL, "Ontology(<http://ex.org>", "not closed")
    wrong(OWL, "Ontology", "functional")
    good(MANCHESTER, "Class: Sensor")
    good(JSON, '{"@id":"a"}')
    good(JSON, "[]")
    wrong(JSON, '{"@id":', "JSON")
    wrong(JSON, "5", "JSON")
  end)
end)
