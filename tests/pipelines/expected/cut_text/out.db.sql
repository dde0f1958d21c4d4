BEGIN TRANSACTION;
CREATE TABLE "words"(
  "s" TEXT,
  "head" TEXT,
  "tail" TEXT,
  "all" TEXT
);
INSERT INTO "words" VALUES('größe','größ','e','größe');
INSERT INTO "words" VALUES('a,"ö','a,"�','�','a,"ö');
INSERT INTO "words" VALUES('plain, but quoted','plain, but quote','d','plain, but quoted');
INSERT INTO "words" VALUES('ö','�','�','ö');
INSERT INTO "words" VALUES('long enough for vectors, and then: 漢','long enough for vectors, and then: ��','�','long enough for vectors, and then: 漢');
INSERT INTO "words" VALUES('nothing to mend: 漢字','nothing to mend: 漢��','�','nothing to mend: 漢字');
CREATE UNIQUE INDEX "weir_key_words" on "words"(ifnull("s", x''));
COMMIT;
